/* SPDX-License-Identifier: MIT
 *
 * Lines for the embedder's log function, cut by level, limited in rate so that
 * a hostile swarm cannot fill a disk with them. */
#ifndef GOS_BASE_LOG_H
#define GOS_BASE_LOG_H

#include <stdatomic.h>
#include <stdint.h>

#include <gostream/common.h>
#include <gostream/log.h>

struct gos__log {
    /* immutable after init */
    gos_log_fn fn;
    void *user;
    enum gos_log_level level;
    /* any thread, atomic: lines in the current second, for the limit */
    atomic_llong second;
    atomic_int lines;
};

void gos__log_init(struct gos__log *log, gos_log_fn fn, void *user, enum gos_log_level level);
/* `part` is the room: "engine". At most 50 lines a second get through, then one
 * that says how many did not. NULL log is fine. */
void gos__log(struct gos__log *log, enum gos_log_level level, const char *part, const char *fmt,
              ...) GOS_PRINTF(4, 5);

#endif
