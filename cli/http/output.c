/* SPDX-License-Identifier: MIT
 *
 * To the socket. Replies of the running connection are corked, so that those to
 * pipelined requests leave together; what the socket does not take is copied and
 * waits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/private.h"

static size_t corked(const struct http_conn *c)
{
    return c->loop->running == c ? c->loop->cork_len : 0;
}

/* Offer pieces to the socket: bytes taken (0: none now), or -1: broken. */
static ptrdiff_t offer(struct http_conn *c, const struct iovec *iov, unsigned n)
{
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
    size_t want = 0;
    for (unsigned i = 0; i < n; i++)
        want += iov[i].iov_len;
    if (!want || !c->writable)
        return 0;
    ssize_t sent;
    do
        sent = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
        c->hung_up = true;
        return -1;
    }
    if (sent < 0)
        sent = 0;
    if ((size_t)sent < want)
        c->writable = false;
    if (sent) {
        c->since_ns = c->loop->now_ns;
        atomic_fetch_add_explicit(&c->loop->bytes_out, (uint64_t)sent, memory_order_relaxed);
    }
    return sent;
}

static bool grow(struct http_conn *c, size_t size)
{
    struct http_server *s = c->loop->server;
    size_t more = size - c->out_size;
    if (!http_account_take_reply(s, more))
        return false;
    char *bigger = realloc(c->out, size);
    if (!bigger) {
        http_account_give(s, more);
        return false;
    }
    c->out = bigger;
    c->out_size = size;
    return true;
}

void http_output_drop(struct http_conn *c)
{
    http_account_give(c->loop->server, c->out_size);
    free(c->out);
    c->out = NULL;
    c->out_off = c->out_len = c->out_size = 0;
}

bool http_output_try_keep(struct http_conn *c, const void *data, size_t len)
{
    if (!len)
        return true;
    if (c->out_off && c->out_off + c->out_len + len > c->out_size) {
        memmove(c->out, c->out + c->out_off, c->out_len);
        c->out_off = 0;
    }
    size_t need = c->out_off + c->out_len + len;
    if (need > c->out_size && !grow(c, need))
        return false;
    memcpy(c->out + c->out_off + c->out_len, data, len);
    c->out_len += len;
    return true;
}

bool http_output_keep(struct http_conn *c, const void *data, size_t len)
{
    if (http_output_try_keep(c, data, len))
        return true;
    c->hung_up = true;
    return false;
}

/* `sent` bytes went out: of what waited, then of the cork. Returns how many were of
 * what comes behind them, or -1: no memory to keep the rest of the cork. */
static ptrdiff_t settle(struct http_conn *c, size_t sent)
{
    size_t of_out = sent < c->out_len ? sent : c->out_len;
    c->out_off += of_out;
    c->out_len -= of_out;
    sent -= of_out;
    if (!c->out_len)
        http_output_drop(c);
    size_t in_cork = corked(c);
    if (!in_cork)
        return (ptrdiff_t)sent;
    size_t of_cork = sent < in_cork ? sent : in_cork;
    c->loop->cork_len = 0;
    if (!http_output_keep(c, c->loop->cork + of_cork, in_cork - of_cork))
        return -1;
    return (ptrdiff_t)(sent - of_cork);
}

ptrdiff_t http_output_push(struct http_conn *c, const struct iovec *iov, unsigned n)
{
    struct iovec all[HTTP_PIECES_MAX + 2];
    unsigned n_all = 0;
    if (c->out_len)
        all[n_all++] = (struct iovec){c->out + c->out_off, c->out_len};
    if (corked(c))
        all[n_all++] = (struct iovec){c->loop->cork, c->loop->cork_len};
    if (n)
        memcpy(all + n_all, iov, n * sizeof *iov);
    ptrdiff_t sent = offer(c, all, n_all + n);
    return sent < 0 ? -1 : settle(c, (size_t)sent);
}

bool http_output_flush(struct http_conn *c)
{
    if (!c->out_len && !corked(c))
        return true;
    return http_output_push(c, NULL, 0) >= 0;
}

bool http_output_send(struct http_conn *c, const struct iovec *iov, unsigned n)
{
    struct http_loop *l = c->loop;
    size_t want = 0;
    for (unsigned i = 0; i < n; i++)
        want += iov[i].iov_len;
    if (l->running == c && !c->out_len && want <= HTTP_CORK_SIZE - l->cork_len) {
        for (unsigned i = 0; i < n; i++) {
            if (iov[i].iov_len)
                memcpy(l->cork + l->cork_len, iov[i].iov_base, iov[i].iov_len);
            l->cork_len += iov[i].iov_len;
        }
        return true;
    }
    ptrdiff_t sent = http_output_push(c, iov, n);
    if (sent < 0)
        return false;
    for (unsigned i = 0; i < n; i++) {
        size_t of_this = (size_t)sent < iov[i].iov_len ? (size_t)sent : iov[i].iov_len;
        sent -= (ptrdiff_t)of_this;
        if (!http_output_keep(c, (const char *)iov[i].iov_base + of_this, iov[i].iov_len - of_this))
            return false;
    }
    return true;
}
