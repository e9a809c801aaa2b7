/* SPDX-License-Identifier: MIT
 *
 * Memory for bodies that a handler wants whole: it grows with what has arrived, not
 * with what is promised. And the account of all memory in which something waits, theirs
 * and others', which together have one limit. */
#include <stdlib.h>
#include <string.h>

#include "http/private.h"

#define FIRST_SIZE ((size_t)64 << 10)
#define SPARE_MAX ((size_t)1 << 20) /* what a loop keeps for the next body */

/* Never above `max`, not even for the moment in which another loop asks. */
static bool take_within(struct http_server *s, size_t more, size_t max)
{
    uint64_t before = atomic_load_explicit(&s->buffered, memory_order_relaxed);
    do {
        if (before > max || more > max - before)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&s->buffered, &before, before + more,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool http_account_take(struct http_server *s, size_t more)
{
    return take_within(s, more, s->options.max_buffered);
}

bool http_account_take_reply(struct http_server *s, size_t more)
{
    return take_within(s, more, s->options.max_buffered + s->options.max_buffered / 16);
}

void http_account_give(struct http_server *s, size_t less)
{
    if (less)
        atomic_fetch_sub_explicit(&s->buffered, less, memory_order_relaxed);
}

/* The loop's spare buffer saves a fresh one (and the page faults of it) for each of
 * many bodies of the same size. */
static void take_spare(struct http_conn *c, size_t need)
{
    struct http_loop *l = c->loop;
    if (c->x.gathered || l->spare_gather_size < need || !l->spare_gather ||
        !http_account_take(l->server, l->spare_gather_size))
        return;
    c->x.gathered = l->spare_gather;
    c->x.gathered_size = l->spare_gather_size;
    l->spare_gather = NULL;
    l->spare_gather_size = 0;
}

enum http_gather http_gather_reserve(struct http_conn *c, size_t len, size_t total)
{
    struct http_exchange *x = &c->x;
    size_t need = x->gathered_len + len;
    if (need > x->body_limit)
        return HTTP_GATHER_TOO_BIG;
    take_spare(c, need);
    if (need <= x->gathered_size)
        return HTTP_GATHER_OK;
    size_t size = x->gathered_size ? x->gathered_size * 2 : FIRST_SIZE;
    if (size < need)
        size = need;
    if (total && size > total)
        size = total;
    if (!http_account_take(c->loop->server, size - x->gathered_size))
        return HTTP_GATHER_NO_ROOM;
    char *bigger = realloc(x->gathered, size);
    if (!bigger) {
        http_account_give(c->loop->server, size - x->gathered_size);
        return HTTP_GATHER_NO_ROOM;
    }
    x->gathered = bigger;
    x->gathered_size = size;
    return HTTP_GATHER_OK;
}

enum http_gather http_gather_add(struct http_conn *c, const char *data, size_t len, size_t total)
{
    enum http_gather rc = http_gather_reserve(c, len, total);
    if (rc == HTTP_GATHER_OK && len) {
        memcpy(c->x.gathered + c->x.gathered_len, data, len);
        c->x.gathered_len += len;
    }
    return rc;
}

void http_gather_free(struct http_conn *c)
{
    struct http_exchange *x = &c->x;
    struct http_loop *l = c->loop;
    if (!x->gathered)
        return;
    http_account_give(l->server, x->gathered_size);
    if (x->gathered_size <= SPARE_MAX && x->gathered_size > l->spare_gather_size) {
        free(l->spare_gather);
        l->spare_gather = x->gathered;
        l->spare_gather_size = x->gathered_size;
    } else {
        free(x->gathered);
    }
    x->gathered = NULL;
    x->gathered_len = x->gathered_size = 0;
}
