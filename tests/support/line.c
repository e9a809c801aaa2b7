/* SPDX-License-Identifier: MIT
 *
 * The model of a line; see tests/tools/relay.c for what it plays, and line.h. */
#include "support/line.h"

#include <errno.h>
#include <stdlib.h>

#include <sys/ioctl.h>
#include <sys/socket.h>

#include "support/data.h"

#define SECOND_NS INT64_C(1000000000)
#define LEAST_TIMER_NS (SECOND_NS / 5) /* Linux's least retransmission time-out */

enum {
    SEGMENT = 1448,
    CHUNK = 16 * 1024, /* without loss nothing depends on how data is cut */
    FIRST_WINDOW = 10 * SEGMENT
};

/* Bytes on their way. */
struct segment {
    struct segment *next;
    int64_t arrive_ns; /* when they can be given on: after all before them */
    int64_t known_ns;  /* when the sender knows that they came */
    size_t len, given;
    bool counted; /* out of the window already */
    char data[];
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool is_lost(struct line *r)
{
    return r->loss > 0 && (double)(data_random(&r->random) >> 11) * 0x1p-53 < r->loss;
}

static void halve(struct flow *f, int64_t now, int64_t round_ns)
{
    f->slow_start = false;
    if (now - f->halved_ns < round_ns)
        return; /* one loss or many within a round trip are the same event */
    f->halved_ns = now;
    f->window = f->window / 2 > 2 * SEGMENT ? f->window / 2 : 2 * SEGMENT;
}

/* How much later than sent a segment comes because of its losses. */
static int64_t delay_by_loss(struct flow *f, int64_t now, bool is_last)
{
    int64_t round_ns = 2 * f->line->delay_ns, timer = later(LEAST_TIMER_NS, 2 * round_ns);

    if (!is_lost(f->line))
        return 0;
    f->line->lost++;
    halve(f, now, round_ns);
    int64_t late = is_last ? 2 * round_ns : round_ns;
    for (; is_lost(f->line); timer *= 2) {
        f->line->lost++;
        late += timer;
        f->window = 2 * SEGMENT;
    }
    return late;
}

/* Put bytes that were read on the line. */
static void depart(struct flow *f, struct segment *s, int64_t now)
{
    int64_t leaves = later(later(now, f->begins_ns), *f->free_ns);
    int waiting = 0;

    if (f->line->rate)
        leaves += (int64_t)((double)s->len * 1e9 / (double)f->line->rate);
    *f->free_ns = leaves;
    int64_t comes = leaves + f->line->delay_ns;
    if (f->line->loss > 0) {
        ioctl(f->from, FIONREAD, &waiting);
        comes += delay_by_loss(f, now, waiting == 0);
    }
    s->known_ns = comes + f->line->delay_ns;
    s->arrive_ns = later(comes, f->last_arrive_ns);
    f->last_arrive_ns = s->arrive_ns;
    f->held += s->len;
    f->in_window += s->len;
    *f->last = s;
    f->last = &s->next;
}

/* What the sender has been told of by now widens its window. */
static void acknowledge(struct flow *f, int64_t now)
{
    for (struct segment *s = f->first; s; s = s->next) {
        if (s->counted || s->known_ns > now)
            continue;
        s->counted = true;
        f->in_window -= s->len;
        f->window += f->slow_start ? s->len : SEGMENT * s->len / f->window;
    }
}

static size_t room(const struct flow *f)
{
    uint64_t on_the_way = f->line->rate
                              ? f->line->rate * (uint64_t)f->line->delay_ns / (uint64_t)SECOND_NS
                              : 8 << 20;
    uint64_t most = f->line->buffer + on_the_way;
    size_t n = most > f->held ? most - f->held : 0;

    if (f->line->loss > 0) {
        size_t open = f->window > f->in_window ? f->window - f->in_window : 0;
        n = n < open ? n : open;
    }
    return n;
}

static void fill(struct flow *f, int64_t now)
{
    size_t piece = f->line->loss > 0 ? SEGMENT : CHUNK;

    while (!f->ended && room(f) >= (f->line->loss > 0 ? SEGMENT : 1)) {
        struct segment *s = malloc(sizeof *s + piece);
        if (!s)
            return;
        *s = (struct segment){0};
        ssize_t n = recv(f->from, s->data, piece, 0);
        if (n <= 0) {
            free(s);
            if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
            f->ended = true;
            return;
        }
        s->len = (size_t)n;
        depart(f, s, now);
    }
}

/* Give on what is left of a segment: 1 when that was all, 0 when the socket is
 * full, -1 when it broke. */
static int give(struct flow *f, struct segment *s)
{
    while (s->given < s->len) {
        ssize_t n = send(f->to, s->data + s->given, s->len - s->given, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        s->given += (size_t)n;
        f->held -= (size_t)n;
        f->given += (uint64_t)n;
    }
    return 1;
}

/* Give on what has arrived. With loss a segment stays, empty, until its sender
 * knows; only then does it leave the window. False: the connection broke. */
static bool deliver(struct flow *f, int64_t now)
{
    int given = 1;

    for (struct segment *s = f->first; s && s->arrive_ns <= now && given > 0; s = s->next)
        given = give(f, s);
    while (f->first && f->first->given == f->first->len &&
           (f->line->loss <= 0 || f->first->counted)) {
        struct segment *s = f->first;
        if (!(f->first = s->next))
            f->last = &f->first;
        free(s);
    }
    if (f->ended && f->held == 0 && !f->told_end) {
        shutdown(f->to, SHUT_WR);
        f->told_end = true;
    }
    return given >= 0;
}

int64_t flow_next_ns(const struct flow *f, int64_t served_ns)
{
    int64_t next = INT64_MAX;

    for (const struct segment *s = f->first; s; s = s->next) {
        if (s->given < s->len && s->arrive_ns > served_ns && s->arrive_ns < next)
            next = s->arrive_ns;
        if (f->line->loss > 0 && !s->counted && s->known_ns < next)
            next = s->known_ns;
        if (f->line->loss <= 0 && next < INT64_MAX)
            break; /* in order: the first is the soonest */
    }
    return next;
}

bool flow_can_take(const struct flow *f)
{
    return !f->ended && room(f) >= (f->line->loss > 0 ? SEGMENT : 1);
}

bool flow_is_blocked(const struct flow *f, int64_t now_ns)
{
    const struct segment *s = f->first;

    while (s && s->given == s->len)
        s = s->next;
    return s && s->arrive_ns <= now_ns;
}

bool flow_serve(struct flow *f, int64_t now_ns)
{
    if (f->line->loss > 0)
        acknowledge(f, now_ns);
    fill(f, now_ns);
    return deliver(f, now_ns);
}

void flow_start(struct flow *f, struct line *line, int from, int to, int64_t *free_ns,
                int64_t begins_ns)
{
    *f = (struct flow){.line = line,
                       .from = from,
                       .to = to,
                       .free_ns = free_ns,
                       .begins_ns = begins_ns,
                       .last = &f->first,
                       .window = FIRST_WINDOW,
                       .slow_start = true};
}

void flow_finish(struct flow *f)
{
    while (f->first) {
        struct segment *s = f->first;
        f->first = s->next;
        free(s);
    }
}
