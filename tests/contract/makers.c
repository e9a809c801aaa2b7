/* SPDX-License-Identifier: MIT
 *
 * Every kind of source that there is, each made over the same pattern bytes. */
#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gostream/ring.h>
#include <gostream/torrent.h>

#include "source_contract.h"
#include "support/data.h"
#include "support/delay_source.h"
#include "support/fake_lt.h"
#include "support/fault_source.h"

/* ---- memory ---- */

static int open_memory(gos_source **out, void **state, uint64_t seed, uint64_t size)
{
    void *bytes = malloc(size ? size : 1);

    *state = NULL;
    if (!bytes)
        return GOS_ENOMEM;
    data_fill(bytes, size, seed, 0);
    int rc = gos_source_memory(out, bytes, size, free);
    if (rc < 0)
        free(bytes);
    return rc;
}

static void close_nothing(void *state)
{
    assert(!state);
    (void)state;
}

static const struct source_maker memory_maker = {"memory", open_memory, close_nothing};

/* ---- file ---- */

static int write_pattern(int fd, uint64_t seed, uint64_t size)
{
    unsigned char block[16384];

    for (uint64_t at = 0; at < size;) {
        size_t n = size - at < sizeof block ? (size_t)(size - at) : sizeof block;
        data_fill(block, n, seed, at);
        if (write(fd, block, n) != (ssize_t)n)
            return GOS_EIO;
        at += n;
    }
    return 0;
}

static int open_file(gos_source **out, void **state, uint64_t seed, uint64_t size)
{
    char path[] = "/tmp/gos-contract-XXXXXX";
    int fd = mkstemp(path);

    *state = NULL;
    if (fd < 0)
        return GOS_EIO;
    int rc = write_pattern(fd, seed, size);
    close(fd);
    if (rc == 0)
        rc = gos_source_file(out, path);
    unlink(path); /* the source has it open */
    return rc;
}

static const struct source_maker file_maker = {"file", open_file, close_nothing};

/* ---- fault_source, which passes through, in short reads ---- */

static int open_fault(gos_source **out, void **state, uint64_t seed, uint64_t size)
{
    gos_source *below;
    struct fault_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return GOS_ENOMEM;
    int rc = open_memory(&below, state, seed, size);
    if (rc < 0) {
        free(plan);
        return rc;
    }
    plan->max_bytes = 1000;
    rc = fault_source_new(out, below, plan);
    gos_source_unref(below);
    if (rc < 0)
        free(plan);
    else
        *state = plan;
    return rc;
}

static void close_fault(void *state)
{
    struct fault_plan *plan = state;

    while (atomic_load(&plan->closes) == 0)
        sched_yield(); /* a worker may still hold the last reference */
    free(plan);
}

static const struct source_maker fault_maker = {"fault_source", open_fault, close_fault};

/* ---- delay_source ---- */

static int open_delayed(gos_source **out, void **state, const struct delay_opts *opts)
{
    struct delay_source *control;
    int rc = delay_source_new(out, &control, opts);

    if (rc == 0)
        *state = control;
    return rc;
}

static void close_delayed(void *state)
{
    delay_source_free(state);
}

static int open_late(gos_source **out, void **state, uint64_t seed, uint64_t size)
{
    return open_delayed(
        out, state,
        &(struct delay_opts){.seed = seed, .size = size, .delay_ns = 100000, .slice = 16384});
}

static const struct source_maker late_maker = {"delay_source", open_late, close_delayed};

static int open_at_once(gos_source **out, void **state, uint64_t seed, uint64_t size)
{
    return open_delayed(
        out, state,
        &(struct delay_opts){.seed = seed, .size = size, .at_once = true, .slice = 16384});
}

static const struct source_maker at_once_maker = {"delay_source at once", open_at_once,
                                                  close_delayed};

/* ---- a ring, written and sealed ---- */

static int append_pattern(gos_ring *ring, uint64_t seed, uint64_t size)
{
    unsigned char block[4099]; /* records do not end where segments do */
    gos_ring_writer *w;
    int64_t rc = gos_ring_writer_open(&w, ring, NULL);

    if (rc < 0)
        return (int)rc;
    for (uint64_t at = 0; at < size && rc >= 0;) {
        size_t n = size - at < sizeof block ? (size_t)(size - at) : sizeof block;
        data_fill(block, n, seed, at);
        rc = gos_ring_writer_append(w, block, n, 0, NULL);
        at += n;
    }
    gos_ring_writer_close(w);
    gos_ring_seal(ring);
    return rc < 0 ? (int)rc : 0;
}

static int open_ring(gos_source **out, void **state, uint64_t seed, uint64_t size)
{
    gos_ring *ring;
    int rc = gos_ring_new(&ring, NULL);

    *state = NULL;
    if (rc < 0)
        return rc;
    rc = append_pattern(ring, seed, size);
    if (rc == 0)
        rc = gos_ring_source(out, ring);
    gos_ring_unref(ring); /* the source keeps it */
    return rc;
}

static const struct source_maker ring_maker = {"ring", open_ring, close_nothing};

/* ---- a file of a torrent, over the fake swarm ---- */

struct torrent_state {
    gos_session *session;
};

static int open_torrent(gos_source **out, void **state, uint64_t seed, uint64_t size)
{
    char script[512];
    struct torrent_state *st = calloc(1, sizeof *st);
    gos_torrent *torrent = NULL;
    if (!st)
        return GOS_ENOMEM;
    fake_lt_reset();
    fake_lt_set_mode(FAKE_LT_REAL);
    /* A torrent needs a byte somewhere; the file of interest is the first. */
    snprintf(script, sizeof script,
             "fake-torrent 1\nname t\npiece 32768\nseed %llu\n%s film.mkv%s%.0llu\nmulti\n"
             "file other 1000\npeer n=2 latency_ms=1\n",
             (unsigned long long)seed, size ? "file" : "empty", size ? " " : "",
             (unsigned long long)size);
    int rc = gos_session_new(&st->session, GOS_OPTS(gos_session_opts, .ram = 5u << 20));
    if (rc >= 0)
        rc = gos_session_add_torrent(st->session, &torrent, script, strlen(script), NULL);
    if (rc >= 0)
        rc = gos_torrent_open_file(torrent, 0, out);
    gos_torrent_unref(torrent); /* the source keeps it */
    if (rc < 0) {
        gos_session_close(st->session, 0);
        free(st);
        return rc;
    }
    *state = st;
    return 0;
}

static void close_torrent(void *state)
{
    struct torrent_state *st = state;
    int rc = gos_session_close(st->session, INT64_C(20000000000));
    assert(rc == 0);
    assert(!fake_lt_violation());
    assert(fake_lt_lost_pieces() == 0);
    (void)rc;
    free(st);
}

static const struct source_maker torrent_maker = {"torrent", open_torrent, close_torrent};

const struct source_maker *const source_makers[] = {
    &memory_maker,  &file_maker, &fault_maker,   &late_maker,
    &at_once_maker, &ring_maker, &torrent_maker, NULL,
};
