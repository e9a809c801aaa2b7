/* SPDX-License-Identifier: MIT
 *
 * The one object of the library: bytes at offsets. Here are its life, the two
 * ways of reading it, and every check of the contract in <gostream/source.h>,
 * so that neither a source nor its reader repeats them. Runs on the caller's
 * threads, and in gos_read_complete() on those of the source. No lock is held
 * when a source or a `done` is called. */
#include "source/source.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/minmax.h"
#include "base/opts.h"
#include "source/cancel.h"

/* ---- the contract ---- */

/* A source may have returned a code without a sentence, or a library call of
 * its own may have left an older one: make sure there is one for this code. */
static int64_t spoken(const gos_source *s, int64_t code)
{
    if (code >= INT32_MIN && gos__error_code() == (int)code)
        return code;
    if (code < INT32_MIN)
        code = GOS_ECONTRACT;
    return gos__error((int)code, "source %s: %s", s->ops.name, gos_strerror(code));
}

/* Refuse a range that overflows; cut it at a known end (to nothing behind it). */
static int cut_range(gos_source *s, uint64_t off, uint64_t *len)
{
    if (off > INT64_MAX || *len > (uint64_t)INT64_MAX - off)
        return gos__error(GOS_EINVAL, "range overflows: %llu bytes at %llu",
                          (unsigned long long)*len, (unsigned long long)off);
    int64_t size = gos_source_size(s);
    if (size < 0)
        return (int)size;
    if (size != GOS_SIZE_UNKNOWN)
        *len = off < (uint64_t)size ? gos__min_u64(*len, (uint64_t)size - off) : 0;
    return 0;
}

/* What a source gave for a read of `len` bytes at `off`: the result, or
 * GOS_ECONTRACT when that cannot be. */
static int64_t judge_result(gos_source *s, int64_t result, size_t len, uint64_t off)
{
    if (result < 0)
        return spoken(s, result);
    if ((uint64_t)result > len)
        return gos__error(GOS_ECONTRACT, "source %s gave %lld bytes when asked for %zu",
                          s->ops.name, (long long)result, len);
    if (result == 0) {
        int64_t size = gos_source_size(s);
        if (size != GOS_SIZE_UNKNOWN && size > 0 && off < (uint64_t)size)
            return gos__error(GOS_ECONTRACT, "source %s ended at %llu but has a size of %lld",
                              s->ops.name, (unsigned long long)off, (long long)size);
    }
    return result;
}

static bool slices_add_up(const struct gos_read *r)
{
    uint64_t sum = 0;

    if (r->buf || r->n_slices > r->max_slices)
        return false;
    for (unsigned i = 0; i < r->n_slices; i++)
        sum += r->slices[i].len;
    return r->result >= 0 && sum == (uint64_t)r->result;
}

/* Judge a read that its source says is finished, and leave it so that the
 * reader can rely on it. */
static void judge_read(gos_source *s, struct gos_read *r)
{
    bool sound = r->n_slices ? slices_add_up(r) : (r->buf || r->result <= 0);

    if (!sound) {
        if (r->n_slices && r->n_slices <= r->max_slices && s->ops.release)
            s->ops.release(s->self, r);
        r->n_slices = 0;
        r->result = gos__error(GOS_ECONTRACT, "source %s gave slices that do not fit the read",
                               s->ops.name);
        return;
    }
    r->result = judge_result(s, r->result, r->len, r->off);
}

static int check_read(gos_source *s, const struct gos_read *r)
{
    if (!s || !r)
        return gos__error(GOS_EINVAL, "no source or no read");
    if (r->struct_size < sizeof *r)
        return gos__error(GOS_EINVAL, "struct_size of the read is too small");
    if (r->struct_size > sizeof *r)
        return gos__error(GOS_E2BIG, "the read is of a newer kind than this library");
    if (!r->done)
        return gos__error(GOS_EINVAL, "the read has no done");
    if (!r->buf && (!r->slices || !r->max_slices))
        return gos__error(GOS_EINVAL, "the read has neither buf nor slices");
    return 0;
}

/* Whether a read is too late to begin: what is already there is given even then. */
static int check_deadline(gos_source *s, uint64_t off, uint64_t len, int64_t deadline_ns)
{
    if (deadline_ns == GOS_NO_DEADLINE || gos__clock_ns() < deadline_ns)
        return 0;
    if (s->ops.present && s->ops.present(s->self, off, len) > 0)
        return 0;
    return gos__error(GOS_ETIMEDOUT, "deadline passed");
}

/* ---- life ---- */

static int check_ops(const struct gos_source_ops *ops)
{
    if (!ops->size)
        return gos__error(GOS_EINVAL, "source has no size");
    if (!ops->pread && !ops->start)
        return gos__error(GOS_EINVAL, "source has neither pread nor start");
    if (ops->start && !ops->cancel)
        return gos__error(GOS_EINVAL, "source has start but no cancel");
    return 0;
}

int gos_source_new(gos_source **out, const struct gos_source_ops *ops, void *self)
{
    if (!out || !ops)
        return gos__error(GOS_EINVAL, "no place for the source, or no ops");
    gos_source *s = gos__calloc(1, sizeof *s);
    if (!s)
        return gos__error_nomem();
    int rc = gos__opts_copy(&s->ops, sizeof s->ops, ops);
    if (rc < 0)
        goto fail;
    rc = check_ops(&s->ops);
    if (rc < 0)
        goto fail;
    rc = gos__mutex_init(&s->lock);
    if (rc < 0)
        goto fail;
    if (!s->ops.name)
        s->ops.name = "(no name)";
    s->self = self;
    s->made_with = ops;
    atomic_init(&s->refs, 1);
    *out = s;
    return 0;
fail:
    gos__free(s);
    return rc;
}

void *gos__source_self(gos_source *s, const struct gos_source_ops *ops)
{
    return s && s->made_with == ops ? s->self : NULL;
}

gos_source *gos_source_ref(gos_source *s)
{
    /* Relaxed: whoever takes a reference already has one. */
    if (s)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void gos_source_unref(gos_source *s)
{
    /* Release what this thread did with the source; acquire what all others did
     * before it is taken apart. */
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    gos__pool_free(s->pool);
    if (s->ops.close)
        s->ops.close(s->self);
    gos__mutex_finish(&s->lock);
    gos__free(s);
}

/* ---- reading ---- */

/* One call of a simple source: some of the bytes, 0 at the end, or an error. */
static int64_t pread_once(gos_source *s, void *buf, size_t len, uint64_t off,
                          const struct gos_io *io)
{
    gos__error_clear(); /* so that a sentence found afterwards is of this call */
    return judge_result(s, s->ops.pread(s->self, buf, len, off, io), len, off);
}

static int64_t pread_some(gos_source *s, void *buf, size_t want, uint64_t off,
                          const struct gos_io *io)
{
    uint64_t len = want;
    int rc = cut_range(s, off, &len);
    if (rc < 0 || len == 0)
        return rc;
    if (gos_cancel_fired(io->cancel))
        return gos__error(GOS_ECANCELED, "cancelled");
    rc = check_deadline(s, off, len, io->deadline_ns);
    if (rc < 0)
        return rc;
    if (s->ops.pread)
        return pread_once(s, buf, (size_t)len, off, io);
    return gos__wait_read(s, buf, (size_t)len, off, io);
}

int64_t gos_source_pread(gos_source *s, void *buf, size_t len, uint64_t off,
                         const struct gos_io *io)
{
    struct gos_io how;
    size_t got = 0;
    int64_t n = 0;

    if (!s || (!buf && len))
        return gos__error(GOS_EINVAL, "no source or no buffer");
    if (len > INT64_MAX || off > INT64_MAX - len)
        return gos__error(GOS_EINVAL, "range overflows: %zu bytes at %llu", len,
                          (unsigned long long)off);
    int rc = gos__opts_copy(&how, sizeof how, io);
    if (rc < 0)
        return rc;
    while (got < len) {
        n = pread_some(s, (char *)buf + got, len - got, off + got, &how);
        if (n <= 0)
            break;
        got += (size_t)n;
        if (how.flags & GOS_READ_PARTIAL)
            break;
    }
    return got ? (int64_t)got : n;
}

/* A blocking read is covered by the reference of the thread that waits in it:
 * with one of its own, the source might be closed a little after the last
 * unref, which would surprise who did that unref. */
static bool holds_reference(const struct gos_read *r)
{
    return r->done != gos__wait_done;
}

int gos__source_begin(gos_source *s, struct gos_read *r)
{
    gos__error_clear();
    int rc = s->ops.start(s->self, r);
    if (rc == 0)
        return 0; /* the read may be over and gone */
    if (rc < 0)
        return (int)spoken(s, rc);
    judge_read(s, r);
    return 1;
}

int gos_source_start(gos_source *s, struct gos_read *r)
{
    int rc = check_read(s, r);
    if (rc < 0)
        return rc;
    uint64_t len = r->len;
    rc = cut_range(s, r->off, &len);
    if (rc < 0)
        return rc;
    r->len = (size_t)len;
    r->result = 0;
    r->n_slices = 0;
    if (len == 0)
        return 1;
    rc = check_deadline(s, r->off, len, r->deadline_ns);
    if (rc < 0)
        return rc;
    r->lib.source = gos_source_ref(s);
    rc = s->ops.start ? gos__source_begin(s, r) : gos__job_start(s, r);
    /* When pending, the reference is the read's, until it is completed. */
    if (rc < 0 || (rc > 0 && r->n_slices == 0))
        gos_source_unref(s);
    return rc;
}

void gos_read_cancel(struct gos_read *r)
{
    gos_source *s = r->lib.source;

    if (s->ops.start)
        s->ops.cancel(s->self, r);
    else
        gos__job_cancel(r);
}

void gos_read_release(struct gos_read *r)
{
    if (!r || r->n_slices == 0)
        return;
    gos_source *s = r->lib.source;
    if (s->ops.release)
        s->ops.release(s->self, r);
    r->n_slices = 0;
    gos_source_unref(s);
}

void gos_read_complete(struct gos_read *r, int64_t result)
{
    gos_source *s = r->lib.source;

    r->result = result;
    judge_read(s, r);
    /* Slices keep the reference until they are released. */
    bool give_back = holds_reference(r) && r->n_slices == 0;
    r->done(r); /* the read may be gone */
    if (give_back)
        gos_source_unref(s);
}

/* ---- questions ---- */

int64_t gos_source_size(gos_source *s)
{
    if (!s)
        return gos__error(GOS_EINVAL, "no source");
    int64_t size = s->ops.size(s->self);
    return size < 0 ? spoken(s, size) : size;
}

int gos_source_advise(gos_source *s, uint64_t off, uint64_t len, enum gos_advice what)
{
    if (!s || (what != GOS_ADVICE_WILLNEED && what != GOS_ADVICE_DONTNEED))
        return gos__error(GOS_EINVAL, "no source, or no such advice");
    if (off > INT64_MAX || len > INT64_MAX - off)
        return gos__error(GOS_EINVAL, "range overflows");
    /* It is only a hint: from here on nothing that goes wrong matters. */
    if (s->ops.advise && cut_range(s, off, &len) == 0 && len > 0)
        s->ops.advise(s->self, off, len, what);
    return 0;
}

int64_t gos_source_present(gos_source *s, uint64_t off, uint64_t len)
{
    if (!s)
        return gos__error(GOS_EINVAL, "no source");
    if (off > INT64_MAX || len > INT64_MAX - off)
        return gos__error(GOS_EINVAL, "range overflows");
    if (!s->ops.present || cut_range(s, off, &len) < 0 || len == 0)
        return 0;
    return gos__max_i64(0, gos__min_i64(s->ops.present(s->self, off, len), (int64_t)len));
}
