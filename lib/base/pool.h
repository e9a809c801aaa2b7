/* SPDX-License-Identifier: MIT
 *
 * A few worker threads for work that blocks. They start when there is work, end
 * when there has been none for a while, and nobody ever joins them: the last one
 * to leave frees what they shared, so a pool may be given up from anywhere. */
#ifndef GOS_BASE_POOL_H
#define GOS_BASE_POOL_H

#include "base/list.h"

struct gos__pool;

/* A job lives in its owner's memory from add until `run` is entered. */
struct gos__job {
    struct gos__list link;
    void (*run)(struct gos__job *job);
};

int gos__pool_new(struct gos__pool **out, unsigned max_threads);
/* 0, or an error when not even one thread could be started (the job was not
 * taken then). */
int gos__pool_add(struct gos__pool *p, struct gos__job *job);
/* Jobs that wait are still run. NULL is fine. */
void gos__pool_free(struct gos__pool *p);

#endif
