/* SPDX-License-Identifier: MIT
 *
 * A doubly linked ring of links that live inside their owners: never allocates. */
#ifndef GOS_BASE_LIST_H
#define GOS_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct gos__list {
    struct gos__list *prev, *next;
};

#define GOS__LIST_OWNER(link, type, member)                                                        \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void gos__list_init(struct gos__list *l)
{
    l->prev = l->next = l;
}

static inline bool gos__list_empty(const struct gos__list *l)
{
    return l->next == l;
}

/* Put `item` at the end of the ring whose head is `l`. */
static inline void gos__list_append(struct gos__list *l, struct gos__list *item)
{
    item->prev = l->prev;
    item->next = l;
    l->prev->next = item;
    l->prev = item;
}

/* Put `item` at the front. */
static inline void gos__list_prepend(struct gos__list *l, struct gos__list *item)
{
    gos__list_append(l->next, item);
}

/* Take `item` out; it is an empty ring then, so that this may be done twice. */
static inline void gos__list_remove(struct gos__list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    gos__list_init(item);
}

#endif
