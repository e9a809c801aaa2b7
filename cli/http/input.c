/* SPDX-License-Identifier: MIT
 *
 * From the socket: bytes are received into the loop's buffer and used there. Only
 * what has to wait for more of its kind is copied into memory of the connection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/private.h"

enum fill http_input_receive(struct http_conn *c, char *to, size_t size, size_t *got)
{
    struct http_loop *l = c->loop;
    if (!c->readable)
        return FILL_NONE;
    if (!l->fills_left) {
        http_conn_make_ready(c);
        return FILL_NONE;
    }
    l->fills_left--;
    ssize_t n;
    do
        n = recv(c->fd, to, size, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        c->readable = false;
        return errno == EAGAIN ? FILL_NONE : FILL_GONE;
    }
    if (!n)
        return FILL_END;
    /* Less than asked for: there is no more now, and the next byte is an event. Not
     * so when the end has been announced: its event is spent. */
    if ((size_t)n < size && !c->half_closed && !c->hung_up)
        c->readable = false;
    atomic_fetch_add_explicit(&l->bytes_in, (uint64_t)n, memory_order_relaxed);
    *got = (size_t)n;
    return FILL_SOME;
}

bool http_input_is_in(const char *at, const char *buffer, size_t size)
{
    return (uintptr_t)at - (uintptr_t)buffer < size;
}

/* Put what is there to where more can be received behind it. */
static void make_room(struct http_loop *l, struct input *in)
{
    char *base = l->receive + l->receive_base, *end = l->receive + HTTP_RECEIVE_SIZE;
    if (in->len && http_input_is_in(in->at, l->receive, HTTP_RECEIVE_SIZE) &&
        (size_t)(end - (in->at + in->len)) >= HTTP_RECEIVE_SIZE / 4)
        return;
    if (in->len)
        memmove(base, in->at, in->len);
    in->at = base;
}

enum fill http_input_fill(struct http_conn *c, struct input *in)
{
    if (!c->readable)
        return FILL_NONE;
    make_room(c->loop, in);
    char *to = in->at + in->len;
    size_t got;
    enum fill fill = http_input_receive(c, to, (size_t)(c->loop->receive + HTTP_RECEIVE_SIZE - to),
                                        &got);
    if (fill == FILL_SOME)
        in->len += got;
    return fill;
}

struct input http_input_load(struct http_conn *c)
{
    return (struct input){c->stash ? c->stash + c->stash_off : c->loop->receive, c->stash_len};
}

bool http_input_save(struct http_conn *c, const struct input *in)
{
    if (!in->len) {
        http_input_drop(c);
        return true;
    }
    if (c->stash && http_input_is_in(in->at, c->stash, c->stash_off + c->stash_len)) {
        c->stash_off = (size_t)(in->at - c->stash);
        c->stash_len = in->len;
        return true;
    }
    struct http_server *s = c->loop->server;
    if (!http_account_take(s, in->len))
        return false;
    char *copy = malloc(in->len);
    if (!copy) {
        http_account_give(s, in->len);
        return false;
    }
    memcpy(copy, in->at, in->len);
    http_input_drop(c);
    c->stash = copy;
    c->stash_off = 0;
    c->stash_len = in->len;
    return true;
}

void http_input_drop(struct http_conn *c)
{
    if (c->stash)
        http_account_give(c->loop->server, c->stash_off + c->stash_len);
    free(c->stash);
    c->stash = NULL;
    c->stash_off = c->stash_len = 0;
}
