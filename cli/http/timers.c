/* SPDX-License-Identifier: MIT
 *
 * Timers in a pairing heap; see timers.h. One thread per heap. */
#include "http/timers.h"

#include <stddef.h>

/* Links: `child` is the first child, `next` the next sibling, `prev` the sibling
 * before or, for a first child, the parent. */

static struct http_timer *meld(struct http_timer *a, struct http_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->key_ns < a->key_ns) {
        struct http_timer *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* Two passes over siblings: pair from the left, then meld from the right. The
 * second list is kept in `prev`, which is set anew by meld. */
static struct http_timer *meld_all(struct http_timer *first)
{
    struct http_timer *pairs = NULL, *root = NULL;
    while (first) {
        struct http_timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->prev = pairs;
        pairs = a;
    }
    while (pairs) {
        struct http_timer *rest = pairs->prev;
        pairs->prev = NULL;
        root = meld(root, pairs);
        pairs = rest;
    }
    return root;
}

static void insert(struct http_timers *t, struct http_timer *timer)
{
    timer->key_ns = timer->due_ns;
    timer->child = timer->next = timer->prev = NULL;
    timer->set = true;
    t->root = meld(t->root, timer);
}

static void take_out(struct http_timers *t, struct http_timer *timer)
{
    struct http_timer *below = meld_all(timer->child);
    if (timer == t->root) {
        t->root = below;
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->next;
        else
            timer->prev->next = timer->next;
        if (timer->next)
            timer->next->prev = timer->prev;
        t->root = meld(t->root, below);
    }
    timer->child = timer->next = timer->prev = NULL;
    timer->set = false;
}

void http_timers_set(struct http_timers *t, struct http_timer *timer, int64_t due_ns)
{
    timer->due_ns = due_ns;
    if (timer->set && due_ns >= timer->key_ns)
        return;
    if (timer->set)
        take_out(t, timer);
    insert(t, timer);
}

void http_timers_clear(struct http_timers *t, struct http_timer *timer)
{
    if (timer->set)
        take_out(t, timer);
}

int64_t http_timers_next(const struct http_timers *t)
{
    return t->root ? t->root->key_ns : INT64_MAX;
}

struct http_timer *http_timers_pop(struct http_timers *t, int64_t now_ns)
{
    while (t->root && t->root->key_ns <= now_ns) {
        struct http_timer *timer = t->root;
        take_out(t, timer);
        if (timer->due_ns <= now_ns)
            return timer;
        insert(t, timer);
    }
    return NULL;
}
