/* SPDX-License-Identifier: MIT
 *
 * One direction of a connection over a line that is slow, long and may lose:
 * bytes are taken from one socket when there is room for them, and given to
 * another when they would have arrived. One thread. */
#ifndef TESTS_SUPPORT_LINE_H
#define TESTS_SUPPORT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What all flows of a relay share. */
struct line {
    uint64_t rate;    /* bytes per second, 0: no limit */
    uint64_t buffer;  /* bytes held for a flow beyond what is on its way */
    int64_t delay_ns; /* one way */
    double loss;      /* share of segments, 0 to 1 */
    uint64_t random;  /* state of data_random() */
    uint64_t lost;    /* segments, ever */
};

struct flow {
    struct line *line;
    int from, to;      /* sockets that do not block */
    int64_t *free_ns;  /* when the line is free; shared by the flows on it */
    int64_t begins_ns; /* nothing can leave before */
    struct segment *first, **last;
    int64_t last_arrive_ns;
    size_t held;
    size_t window, in_window; /* of the sender that is played; with loss only */
    bool slow_start;
    int64_t halved_ns;
    uint64_t given;       /* bytes, ever */
    bool ended, told_end; /* nothing more comes; `to` was told */
};

/* `free_ns` must outlive it, and so must the sockets. */
void flow_start(struct flow *f, struct line *line, int from, int to, int64_t *free_ns,
                int64_t begins_ns);
void flow_finish(struct flow *f);

/* Take what there is room for, and give on what has arrived. False: it broke. */
bool flow_serve(struct flow *f, int64_t now_ns);

/* Whether it would take bytes that come now, and whether `to` was full. */
bool flow_can_take(const struct flow *f);
bool flow_is_blocked(const struct flow *f, int64_t now_ns);

/* When something happens in it by itself, after it was served at `served_ns`; that
 * may be over by now. INT64_MAX: nothing. */
int64_t flow_next_ns(const struct flow *f, int64_t served_ns);

#endif
