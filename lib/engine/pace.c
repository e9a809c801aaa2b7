/* SPDX-License-Identifier: MIT
 *
 * How a peer delivers. Pure. */
#include "engine/pace.h"

#include <stdbool.h>

#include "base/clock.h"
#include "base/minmax.h"

/* A queue holds what a peer delivers in this time and two round trips: deep enough
 * to keep it busy, shallow enough that a seek is not stuck behind it. */
#define LEAD_NS (200 * GOS__MS)
#define SILENCE_MAX_NS GOS__SECOND
#define LATENCY_MAX_NS (400 * GOS__MS)
#define RATE_WINDOW_NS (200 * GOS__MS)
#define SHORT_WINDOW_NS (50 * GOS__MS) /* enough when the queue ran dry in it */
#define OLD_NS (10 * GOS__SECOND)      /* what was measured before so long an idle time is old */
#define AGE_NS (3 * GOS__SECOND)
#define FORGIVEN_RATE (UINT64_C(4) << 20) /* not raised beyond it */
#define GUESSED_RATE 500000               /* bytes a second, of a peer never measured */
/* Between two pulses it is quiet for so long at least, and for longer than the
 * way there and back or a few blocks explain. */
#define PULSE_QUIET_NS (80 * GOS__MS)
#define PULSE_GAPS 8
#define PULSES_BELIEVED 2
#define PULSE_FORGET_NS (5 * GOS__SECOND) /* so long without a pause: it sends steadily */
#define PULSE_DOUBT_NS GOS__SECOND        /* ... it may have become slow, or fast */
#define PULSE_IDLE_NS (500 * GOS__MS)     /* in a longer idle time it may not save up more */
#define PULSE_DEPTH 2
#define PULSE_TASTE (4u * GOS__PACE_BLOCK) /* in one pulse; less says nothing about the rate */
#define PULSE_DUE_NS (50 * GOS__MS)        /* so much sooner or later than the last one */
#define SENDING_NS (40 * GOS__MS)          /* after a block it is taken to be sending */

void gos__pace_init(struct gos__pace *p)
{
    *p = (struct gos__pace){.depth = GOS__PACE_MIN_DEPTH};
}

/* ---- rate ---- */

int64_t gos__pace_time_of(const struct gos__pace *p, uint64_t blocks)
{
    uint64_t rate = p->rate ? p->rate : GUESSED_RATE;
    return (int64_t)(blocks * GOS__PACE_BLOCK * (uint64_t)GOS__SECOND / rate);
}

static void learn_rate(struct gos__pace *p, uint64_t bytes, int64_t ns)
{
    uint64_t rate = bytes * (uint64_t)GOS__SECOND / (uint64_t)ns;
    p->rate_at = p->last_delivery;
    /* Quick to believe that it is faster: too short a queue would make it slow. */
    if (!p->rate || p->hoped)
        p->rate = rate;
    else if (rate > p->rate)
        p->rate = (p->rate + 3 * rate) / 4;
    else
        p->rate = (p->rate + rate) / 2;
    p->rate = gos__max_u64(p->rate, 1);
    p->hoped = false;
}

void gos__pace_age(struct gos__pace *p, int64_t now)
{
    if (!p->rate || p->rate >= FORGIVEN_RATE || now - p->rate_at < AGE_NS)
        return;
    p->rate *= 2;
    p->rate_at = now;
    p->hoped = true;
}

/* Of who sends in pulses a measurement says nothing, since the time between two of them
 * is in it or is not. But who made no pause for long although it owed something does
 * not send so any more, and must not pass for as fast as it was until that is certain. */
static bool tells_rate(const struct gos__pace *p, bool owes)
{
    return p->pulses < PULSES_BELIEVED || (owes && p->pulse_ns > PULSE_DOUBT_NS);
}

static void close_window(struct gos__pace *p, int64_t ns, bool owes)
{
    if (tells_rate(p, owes))
        learn_rate(p, p->window_bytes, ns);
    /* A peer that sends in bursts must find enough in its queue for a whole one. */
    p->silence = gos__max_i64(p->window_silence, p->silence - p->silence / 8);
    int64_t lead_ns = gos__max_i64(LEAD_NS, gos__min_i64(2 * p->silence, SILENCE_MAX_NS)) +
                      2 * gos__min_i64(p->latency, LATENCY_MAX_NS);
    uint64_t lead = p->rate * (uint64_t)(lead_ns / GOS__MS) / 1000 / GOS__PACE_BLOCK;
    p->depth = (uint32_t)gos__min_u64(lead + GOS__PACE_MIN_DEPTH, GOS__PACE_MAX_DEPTH);
}

static void open_window(struct gos__pace *p, int64_t now)
{
    p->window_start = now;
    p->window_bytes = 0;
    p->window_silence = 0;
}

/* Time in which nothing was asked says nothing about the peer: the measurement
 * stands still. (To begin a new one would count only what took long.) */
void gos__pace_begin(struct gos__pace *p, int64_t now)
{
    /* Who was asked and called off again was asked for some of the time: it counts once. */
    int64_t idle = now - gos__max_i64(p->last_delivery, p->begun);
    p->begun = now;
    p->pulse_ns += gos__min_i64(idle, PULSE_IDLE_NS);
    int64_t busy = p->last_delivery - p->window_start;
    if (busy >= SHORT_WINDOW_NS)
        close_window(p, busy, false);
    if (busy >= SHORT_WINDOW_NS || !p->window_bytes || now - p->last_delivery > OLD_NS)
        open_window(p, now);
    else
        p->window_start += idle;
}

/* ---- latency ---- */

/* The shortest of late: what was called off before may be on its way still, and
 * is not what a request costs. (Nor can one be answered sooner than it was asked:
 * the time since the answer before it would be nothing at all then.) */
static void learn_latency(struct gos__pace *p, int64_t ns)
{
    int64_t longest = p->latency + p->latency / 8 + GOS__MS;
    p->latency = p->latency ? gos__min_i64(ns, longest) : gos__max_i64(ns, 1);
}

/* ---- pulses ---- */

static void watch_pulses(struct gos__pace *p, const struct gos__pace_answer *a)
{
    int64_t quiet = a->quiet;
    p->pulse_ns += quiet;
    int64_t least = gos__max_i64(PULSE_QUIET_NS + 2 * p->latency, PULSE_GAPS * p->gap);
    /* One block each time is no pulse, but what a slow peer does; or one that is known
     * for pulses, since it is asked for one block between them. */
    bool known = p->pulses >= PULSES_BELIEVED;
    if (p->gap && p->latency && quiet >= least && (known || p->pulse_bytes > GOS__PACE_BLOCK)) {
        /* It had sent all it may: what it did since it had to stop the last time
         * is its rate, however little of the time it was asked; unless it was asked
         * for next to nothing, and had nothing more to send. */
        bool all_it_may = a->queued > 1 || p->pulse_bytes > PULSE_TASTE;
        if (p->pulses++ && all_it_may)
            learn_rate(p, p->pulse_bytes, p->pulse_ns);
        p->pause = gos__max_i64(quiet, p->pause - p->pause / 8);
        p->pulse_ns = 0;
        p->pulse_bytes = 0;
        return;
    }
    if (p->pulse_ns > PULSE_FORGET_NS)
        p->pulses = 0;
    p->gap = p->gap ? (7 * p->gap + quiet) / 8 : quiet;
    p->gap = gos__max_i64(p->gap, 1);
}

bool gos__pace_between_pulses(const struct gos__pace *p, int64_t silent)
{
    return p->pulses >= PULSES_BELIEVED && silent > SENDING_NS + p->latency;
}

bool gos__pace_pulse_is_due(const struct gos__pace *p, int64_t now)
{
    int64_t early = p->last_delivery + p->pause - now;
    return early < PULSE_DUE_NS && early > -PULSE_DUE_NS;
}

uint32_t gos__pace_pulse_depth(const struct gos__pace *p, int64_t now)
{
    if (p->pulses < PULSES_BELIEVED)
        return 0;
    if (gos__pace_between_pulses(p, now - p->last_delivery))
        return 1;
    uint64_t on_the_way = p->rate / 1000 * (uint64_t)(2 * p->latency / GOS__MS) / GOS__PACE_BLOCK;
    return PULSE_DEPTH + (uint32_t)gos__min_u64(on_the_way, GOS__PACE_MAX_DEPTH);
}

void gos__pace_received(struct gos__pace *p, const struct gos__pace_answer *a, int64_t now)
{
    p->last_delivery = now;
    if (a->alone)
        learn_latency(p, a->alone);
    watch_pulses(p, a);
    p->pulse_bytes += a->len;
    p->window_bytes += a->len;
    p->window_silence = gos__max_i64(p->window_silence, a->quiet);
    if (now - p->window_start >= RATE_WINDOW_NS) {
        close_window(p, now - p->window_start, a->queued > 1);
        open_window(p, now);
    } else if (!p->rate && p->depth < GOS__PACE_MAX_DEPTH) {
        p->depth++; /* until it is measured the queue doubles with each round trip */
    }
}

/* ---- what to expect ---- */

int64_t gos__pace_expect(const struct gos__pace *p, uint32_t queued, int64_t now)
{
    int64_t ns = p->latency + gos__pace_time_of(p, (uint64_t)queued + 1);
    return gos__pace_between_pulses(p, now - p->last_delivery) ? ns + p->silence / 2 : ns;
}
