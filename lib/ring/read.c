/* SPDX-License-Identifier: MIT
 *
 * Reading by who waits: copies, blocking waits, and the descriptor for poll(2).
 * A wait looks again and again for some microseconds before it sleeps, if there
 * is a processor to spare and it was worth it lately. Runs on the reader's
 * thread; the descriptor is written on that of a writer. */
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "base/opts.h"
#include "ring/ring.h"

#define MIN_SPIN_NS 1000u
#define MAX_SPIN_NS 50000u
#define INTERRUPTED_NS 200000 /* between two looks: something else has run here */
#define REST_WAITS 64u        /* that are slept through at once after that, */
#define REST_MOST 16384u      /* ... and again and again */
#define PROBE_WAITS 15u       /* as many without a look, then one that is learnt from */
#define VAIN_MOST 8u          /* twice the looks in vain, less those that were not */
#define LOOKS_APART 48        /* pauses: each look costs the writer the cache line */
#define LOOKS_TO_YIELD 8u
#define LINGER 10
#define WORTH_TAKING (256u << 10)
#define A_LOT (32u << 10)
#define SLICES 16u

/* ---- spinning ---- */

static void pause_once(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void pause_briefly(void)
{
    for (int i = 0; i < LOOKS_APART; i++)
        pause_once();
}

static bool is_plenty(const gos_ring_reader *r, uint64_t bytes)
{
    return atomic_load_explicit(&r->ring->tail, memory_order_relaxed) - r->pos >= bytes;
}

static void rest_for(gos_ring_reader *r, unsigned waits)
{
    if (r->rest < waits)
        r->rest = waits;
}

/* Who burns its time slice is the last to run when it matters; not so who finds a
 * lot to do then, and will not wait soon. The longer the more often it happens. */
static void note_interrupted(gos_ring_reader *r)
{
    if (r->penalty < REST_WAITS)
        r->penalty = REST_WAITS;
    rest_for(r, r->penalty);
    if (r->penalty < REST_MOST)
        r->penalty *= 4;
}

/* Look until there is something; returns how often, 0 when it was in vain. Who
 * has no processor to itself lets the others run meanwhile, and finds the more
 * when it is its turn again; now and then so does who believes to have one,
 * because the writer may be on the same. */
static unsigned look_until(gos_ring_reader *r, bool spare, int64_t until, const gos_cancel *cancel)
{
    unsigned looks = 0;
    int64_t before = gos__clock_ns(), now;

    do {
        if (!spare || ++looks % LOOKS_TO_YIELD == 0)
            sched_yield();
        else
            pause_briefly();
        now = gos__clock_ns();
        if (spare && now - before > INTERRUPTED_NS && !is_plenty(r, A_LOT))
            note_interrupted(r);
        before = now;
        if (!gos__reader_idle(r))
            return spare ? looks : UINT_MAX;
    } while (now < until && !gos_cancel_fired(cancel));
    return 0;
}

/* The writer is at it right now. Who takes each short record out of its hands
 * takes the cache lines as well that it writes next, and both are slow; so let
 * it get ahead a little. */
static void let_it_write(const gos_ring_reader *r)
{
    for (int i = 0; i < LINGER; i++) {
        if (is_plenty(r, WORTH_TAKING))
            return;
        pause_briefly();
    }
}

/* How long it would have taken to see the bytes of the last sleep by looking: by
 * that the next wait is judged. There is time for it now, not when they had come. */
static void learn(gos_ring_reader *r)
{
    gos_ring *ring = r->ring;
    int64_t came = 0;

    gos__lock(&ring->lock);
    struct gos__span span = gos__window_span_locked(ring);
    bool of_newest = span.newest <= r->slept_for && span.first < span.records;
    uint64_t number = of_newest ? span.records - 1 : gos__window_find(ring, &span, r->slept_for);
    if (number < span.records)
        came = gos__window_entry(ring, number)->mono_ns;
    gos__unlock(&ring->lock);
    uint64_t took = came > r->slept_ns ? (uint64_t)(came - r->slept_ns) : 0;
    if (came && took < MAX_SPIN_NS)
        r->spin_ns = gos__min_u64(gos__max_u64(2 * took, MIN_SPIN_NS), MAX_SPIN_NS);
    else
        r->spin_ns = r->spin_ns / 4 < MIN_SPIN_NS ? 0 : r->spin_ns / 4;
    if (r->spin_ns == 0)
        rest_for(r, PROBE_WAITS);
    r->slept_ns = 0;
}

static bool is_worth_looking(gos_ring_reader *r)
{
    if (r->rest > 0) {
        r->rest--;
        return false;
    }
    if (r->slept_ns)
        learn(r);
    return r->spin_ns > 0;
}

/* To sleep after a look in vain is slower than to sleep at once: the waker comes
 * when the processor is just about to sleep as well. Two looks of three have to be
 * worth it. */
static void judge_look(gos_ring_reader *r, bool found)
{
    if (found) {
        r->vain -= r->vain > 0;
        r->penalty -= r->penalty > 0;
    } else if ((r->vain += 2) >= VAIN_MOST) {
        r->vain = 0;
        rest_for(r, REST_WAITS);
    }
}

/* Whether looking was enough. */
static bool spin(gos_ring_reader *r, int64_t now, int64_t deadline_ns, const gos_cancel *cancel)
{
    gos_ring *ring = r->ring;

    if (r->opts.spin_ns < 0 || (r->opts.spin_ns == 0 && !is_worth_looking(r)))
        return false;
    int64_t until = now + (int64_t)gos__min_u64(r->spin_ns, (uint64_t)(INT64_MAX - now));
    bool spare = atomic_fetch_add(&ring->spinners, 1) < ring->max_spinners;
    unsigned looks = look_until(r, spare, gos__min_i64(until, deadline_ns), cancel);
    if (looks == 1 && r->opts.spin_ns == 0)
        let_it_write(r);
    atomic_fetch_sub(&ring->spinners, 1);
    judge_look(r, looks > 0);
    return looks > 0;
}

/* ---- sleeping ---- */

static int sleep_for_bytes(gos_ring_reader *r, int64_t deadline_ns)
{
    gos_ring *ring = r->ring;
    struct gos__sleeper *s = &r->sleeper;
    bool in_time = true;
    int rc = 0;

    for (;;) {
        gos__sleeper_prepare(s);
        gos__lock(&ring->lock);
        gos__wake_arm_sleeper_locked(ring, s);
        gos__unlock(&ring->lock);
        /* After the arming: see note_armed_locked() in wake.c. */
        if (!gos__reader_idle(r))
            break;
        if (atomic_load(&s->cancelled) || !in_time) {
            rc = atomic_load(&s->cancelled) ? GOS_ECANCELED : GOS_ETIMEDOUT;
            break;
        }
        in_time = gos__sleeper_sleep(s, deadline_ns);
    }
    gos__lock(&ring->lock);
    gos__list_remove(&s->link);
    gos__unlock(&ring->lock);
    return rc;
}

static int wait_for_bytes(gos_ring_reader *r, const struct gos_io *io)
{
    if (!gos__reader_idle(r)) {
        if (r->opts.spin_ns == 0 && r->ring->max_spinners > 0)
            let_it_write(r);
        return 0;
    }
    int64_t began = gos__clock_ns(), deadline_ns = gos__sleeper_deadline(io, began);
    if (spin(r, began, deadline_ns, io->cancel))
        return 0;
    gos__sleeper_begin(&r->sleeper, io->cancel);
    int rc = sleep_for_bytes(r, deadline_ns);
    gos__sleeper_end(&r->sleeper, io->cancel);
    if (rc < 0)
        return gos__error(rc, rc == GOS_ECANCELED ? "cancelled" : "deadline passed");
    r->slept_ns = began;
    r->slept_for = r->pos;
    return 0;
}

int gos_ring_reader_wait(gos_ring_reader *r, const struct gos_io *io)
{
    struct gos_io how;

    if (!r)
        return gos__error(GOS_EINVAL, "no reader");
    int rc = gos__opts_copy(&how, sizeof how, io);
    if (rc < 0)
        return rc;
    gos_ring_reader_offset(r); /* there is nothing to wait for before it is settled */
    return wait_for_bytes(r, &how);
}

/* ---- copying ---- */

static void copy_out(char *buf, const struct gos_ring_view *v)
{
    for (unsigned i = 0; i < v->n_slices; i++) {
        memcpy(buf, v->slices[i].base, v->slices[i].len);
        buf += v->slices[i].len;
    }
}

int64_t gos_ring_reader_read(gos_ring_reader *r, void *buf, size_t len, const struct gos_io *io,
                             struct gos_ring_note *note)
{
    struct gos_slice slices[SLICES];
    struct gos_ring_view v = {.struct_size = sizeof v, .slices = slices, .max_slices = SLICES};
    struct gos_io how;
    int64_t n;

    if (!r || !buf || len == 0 || (note && note->struct_size < sizeof note->struct_size))
        return gos__error(GOS_EINVAL,
                          "no reader, nowhere to read to, or a note without struct_size");
    int rc = gos__opts_copy(&how, sizeof how, io);
    if (rc < 0)
        return rc;
    v.max_bytes = len;
    while ((n = gos__borrow(r, &v, false)) == GOS_EAGAIN) {
        rc = wait_for_bytes(r, &how);
        if (rc < 0)
            return rc;
    }
    if (n < 0)
        return gos__borrow_say(n);
    copy_out(buf, &v);
    gos_ring_reader_release(r, &v);
    if (note)
        gos__opts_give(note, &v.note, sizeof v.note);
    return n;
}

/* ---- the descriptor ---- */

static void write_fd(struct gos_ring_watch *w)
{
    gos_ring_reader *r = w->user;

    /* It can only fail when it is readable already. */
    (void)eventfd_write(r->fd, 1);
}

bool gos__read_arm_fd(gos_ring_reader *r)
{
    eventfd_t value;

    (void)eventfd_read(r->fd, &value); /* fails when it is not readable: fine */
    int rc = gos_ring_arm(r->ring, r->pos, &r->watch);
    /* Still armed from before: it will fire, at worst for nothing. */
    return rc == 0 || rc == GOS_EBUSY;
}

int gos_ring_reader_fd(gos_ring_reader *r)
{
    if (!r)
        return gos__error(GOS_EINVAL, "no reader");
    if (r->fd >= 0)
        return r->fd;
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); /* readable: nobody has looked yet */
    if (fd < 0)
        return gos__error(-errno, "make an eventfd");
    r->watch = (struct gos_ring_watch){.struct_size = sizeof r->watch, .wake = write_fd, .user = r};
    r->fd = fd;
    return fd;
}
