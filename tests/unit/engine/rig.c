/* SPDX-License-Identifier: MIT
 *
 * A session over the fake swarm. Tests run on the main thread; `done` of reads
 * runs on the session's. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *rig_script(uint32_t piece, uint64_t size, const char *more)
{
    static char text[4096];
    snprintf(text, sizeof text,
             "fake-torrent 1\nname film.mkv\npiece %u\nseed %d\nfile film.mkv %llu\n%s", piece,
             RIG_SEED, (unsigned long long)size, more);
    return text;
}

void rig_open_session(struct rig *r, uint64_t ram)
{
    memset(r, 0, sizeof *r);
    fake_lt_reset();
    assert_int_equal(gos_session_new(&r->session, GOS_OPTS(gos_session_opts, .ram = ram)), 0);
    r->lt = fake_lt_last_session();
    assert_non_null(r->lt);
}

void rig_open(struct rig *r, uint64_t ram, const char *script)
{
    rig_open_session(r, ram);
    assert_int_equal(gos_session_add_torrent(r->session, &r->torrent, script, strlen(script), NULL),
                     0);
    assert_int_equal(gos_torrent_open_file(r->torrent, 0, &r->file), 0);
}

void rig_close(struct rig *r)
{
    gos_source_unref(r->file);
    gos_torrent_unref(r->torrent);
    assert_int_equal(gos_session_close(r->session, 20 * RIG_SECOND), 0);
    if (fake_lt_violation())
        fail_msg("%s", fake_lt_violation());
    assert_int_equal(fake_lt_lost_pieces(), 0);
}

void rig_read(struct rig *r, uint64_t off, size_t len)
{
    unsigned char *buf = malloc(len);
    assert_non_null(buf);
    int64_t n = gos_source_pread(r->file, buf, len, off, NULL);
    if (n != (int64_t)len)
        fail_msg("read of %zu at %llu gave %lld: %s", len, (unsigned long long)off, (long long)n,
                 gos_last_error());
    assert_true(fake_lt_pattern_is(RIG_SEED, off, buf, len));
    free(buf);
}

struct gos_torrent_stats rig_stats(struct rig *r)
{
    struct gos_torrent_stats st = {.struct_size = sizeof st};
    fake_lt_settle(r->lt);
    assert_int_equal(gos_torrent_get_stats(r->torrent, &st), 0);
    return st;
}

uint64_t rig_received(struct rig *r)
{
    return rig_stats(r).received;
}

static void on_done(struct gos_read *read)
{
    struct rig_read *rr = read->user;
    pthread_mutex_lock(&rr->lock);
    rr->result = read->result;
    snprintf(rr->why, sizeof rr->why, "%s", gos_last_error());
    rr->done++;
    pthread_cond_signal(&rr->cond);
    pthread_mutex_unlock(&rr->lock);
}

int rig_start(struct rig_read *rr, gos_source *s, uint64_t off, size_t len, bool borrow,
              int64_t idle_ns)
{
    memset(rr, 0, sizeof *rr);
    pthread_mutex_init(&rr->lock, NULL);
    pthread_cond_init(&rr->cond, NULL);
    if (!borrow)
        rr->buf = malloc(len);
    rr->read = (struct gos_read){
        .struct_size = sizeof rr->read,
        .off = off,
        .len = len,
        .idle_ns = idle_ns,
        .buf = rr->buf,
        .slices = rr->slices,
        .max_slices = sizeof rr->slices / sizeof *rr->slices,
        .done = on_done,
        .user = rr,
    };
    int rc = gos_source_start(s, &rr->read);
    if (rc != 0) {
        rr->done = 1;
        rr->result = rc < 0 ? rc : rr->read.result;
    }
    return rc;
}

bool rig_is_done(void *rig_read)
{
    struct rig_read *rr = rig_read;
    pthread_mutex_lock(&rr->lock);
    bool is = rr->done > 0;
    pthread_mutex_unlock(&rr->lock);
    return is;
}

void rig_finish(struct rig *r, struct rig_read *rr, int64_t limit_ns)
{
    assert_true(fake_lt_run_until(r->lt, rig_is_done, rr, 10 * RIG_MS, limit_ns));
}

void rig_wait(struct rig_read *rr)
{
    pthread_mutex_lock(&rr->lock);
    while (rr->done == 0)
        pthread_cond_wait(&rr->cond, &rr->lock);
    pthread_mutex_unlock(&rr->lock);
    assert_int_equal(rr->done, 1);
}

void rig_check(const struct rig_read *rr)
{
    assert_int_equal(rr->result, rr->read.len);
    if (rr->buf) {
        assert_true(fake_lt_pattern_is(RIG_SEED, rr->read.off, rr->buf, rr->read.len));
        return;
    }
    uint64_t off = rr->read.off;
    for (unsigned i = 0; i < rr->read.n_slices; i++) {
        assert_true(fake_lt_pattern_is(RIG_SEED, off, rr->slices[i].base, rr->slices[i].len));
        off += rr->slices[i].len;
    }
    assert_int_equal(off, rr->read.off + rr->read.len);
}

void rig_free(struct rig_read *rr)
{
    gos_read_release(&rr->read);
    free(rr->buf);
    pthread_mutex_destroy(&rr->lock);
    pthread_cond_destroy(&rr->cond);
}
