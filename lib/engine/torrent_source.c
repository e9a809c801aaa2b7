/* SPDX-License-Identifier: MIT
 *
 * A file of a torrent as a gos_source: turns calls about the file into reads,
 * wishes and windows of the torrent. Runs in callers' threads; nothing here
 * waits or asks libtorrent. */
#include "base/alloc.h"
#include "base/minmax.h"
#include "base/opts.h"
#include "engine/engine.h"
#include "source/source.h"

bool gos__torrent_source_read_locked(gos_session *s, struct gos__torrent_source *f, uint64_t off,
                                     uint64_t len, int64_t now)
{
    uint64_t step = f->torrent->meta.piece_length;
    gos__sleep_used_locked(s, f->torrent, now);
    gos__list_remove(&f->use_link); /* the last one read comes first */
    gos__list_prepend(&s->readers, &f->use_link);
    return gos__window_read(&f->window, off, len, step, now) != GOS__WINDOW_SAME;
}

static int64_t source_size(void *self)
{
    const struct gos__torrent_source *f = self;
    return (int64_t)f->size;
}

static int source_start(void *self, struct gos_read *r)
{
    return gos__waiters_start(self, r);
}

static void source_cancel(void *self, struct gos_read *r)
{
    gos__waiters_cancel(self, r);
}

static void source_release(void *self, struct gos_read *r)
{
    gos__waiters_release(self, r);
}

static int source_advise(void *self, uint64_t off, uint64_t len, enum gos_advice what)
{
    struct gos__torrent_source *f = self;
    gos_session *s = f->torrent->session;
    gos__lock(&s->lock);
    if (s->closing) {
        gos__unlock(&s->lock);
        return 0;
    }
    if (what == GOS_ADVICE_WILLNEED)
        /* As if the range had been read: its end is where reading goes on. */
        gos__torrent_source_read_locked(s, f, off, len, ltc_now_ns(s->lt));
    else
        gos__window_forget(&f->window, off, len);
    gos__plan_soon_locked(s);
    gos__unlock(&s->lock);
    return 0;
}

static int64_t source_present(void *self, uint64_t off, uint64_t len)
{
    struct gos__torrent_source *f = self;
    gos_torrent *t = f->torrent;
    uint64_t at = f->offset + off, end = at + len, piece = t->meta.piece_length;
    gos__lock(&t->session->lock);
    while (t->live && at < end) {
        const struct gos__piece *p = t->pieces[at / piece];
        if (!p || !p->verified)
            break;
        at = (at / piece + 1) * piece;
    }
    gos__unlock(&t->session->lock);
    return (int64_t)(gos__min_u64(at, end) - (f->offset + off));
}

static void source_close(void *self)
{
    struct gos__torrent_source *f = self;
    gos_torrent *t = f->torrent;
    gos_session *s = t->session;
    gos__lock(&s->lock);
    gos__list_remove(&f->link);
    gos__list_remove(&f->use_link);
    gos__plan_soon_locked(s);
    gos__unlock(&s->lock);
    gos__free(f);
    gos_torrent_unref(t);
}

static const struct gos_source_ops torrent_ops = {
    .struct_size = sizeof torrent_ops,
    .name = "torrent",
    .start = source_start,
    .cancel = source_cancel,
    .release = source_release,
    .size = source_size,
    .advise = source_advise,
    .present = source_present,
    .close = source_close,
};

/* ---- opening ---- */

static int check_opts(const struct gos_torrent_reader_opts *o)
{
    if ((unsigned)o->kind > GOS_READER_PREFETCH)
        return gos__error(GOS_EINVAL, "there is no kind of reader with the number %d",
                          (int)o->kind);
    if (o->ahead_ns < 0)
        return gos__error(GOS_EINVAL, "a reader cannot read ahead for a negative time");
    return 0;
}

static int open_source(gos_torrent *t, const struct gos__file *file,
                       const struct gos_torrent_reader_opts *o, gos_source **out)
{
    gos_session *s = t->session;
    struct gos__torrent_source *f = gos__calloc(1, sizeof *f);
    if (!f)
        return gos__error_nomem();
    f->torrent = t;
    f->offset = file->offset;
    f->size = file->size;
    gos__window_init(&f->window, file->size, o);
    gos__list_init(&f->link);
    gos__list_init(&f->use_link);
    int rc = gos_source_new(out, &torrent_ops, f);
    if (rc < 0) {
        gos__free(f);
        return rc;
    }
    gos__lock(&s->lock);
    f->id = ++s->last_reader;
    gos__torrent_ref_locked(t);
    gos__list_append(&t->sources, &f->link);
    gos__unlock(&s->lock);
    return 0;
}

int gos_torrent_open_reader(gos_torrent *t, size_t index,
                            const struct gos_torrent_reader_opts *opts, gos_source **out)
{
    struct gos_torrent_reader_opts o;
    if (!t || !out)
        return gos__error(GOS_EINVAL, "no torrent, or no place for the source");
    int rc = gos__opts_copy(&o, sizeof o, opts);
    if (rc >= 0)
        rc = check_opts(&o);
    if (rc >= 0)
        rc = gos__torrent_check_index(t, index);
    if (rc < 0)
        return rc;
    return open_source(t, &t->meta.files[index], &o, out);
}

int gos_torrent_open_file(gos_torrent *t, size_t index, gos_source **out)
{
    return gos_torrent_open_reader(t, index, NULL, out);
}

/* ---- its own questions ---- */

static struct gos__torrent_source *reader_of(gos_source *source)
{
    struct gos__torrent_source *f = gos__source_self(source, &torrent_ops);
    if (!f)
        gos__error(GOS_EINVAL, "this source is not a file of a torrent");
    return f;
}

int gos_torrent_reader_set_kind(gos_source *reader, enum gos_reader_kind kind)
{
    struct gos__torrent_source *f = reader_of(reader);
    const struct gos_torrent_reader_opts o = {.kind = kind};
    if (!f)
        return GOS_EINVAL;
    int rc = check_opts(&o);
    if (rc < 0)
        return rc;
    gos_session *s = f->torrent->session;
    gos__lock(&s->lock);
    f->window.kind = kind;
    gos__window_kind_changed(&f->window);
    gos__plan_soon_locked(s);
    gos__unlock(&s->lock);
    return 0;
}

int gos_torrent_reader_get_stats(gos_source *reader, struct gos_torrent_reader_stats *out)
{
    struct gos__torrent_source *f = reader_of(reader);
    if (!f || !out)
        return f ? gos__error(GOS_EINVAL, "no place for the figures") : GOS_EINVAL;
    gos_session *s = f->torrent->session;
    struct gos_torrent_reader_stats st = {.struct_size = sizeof st, .id = f->id};
    uint64_t position = 0;
    gos__lock(&s->lock);
    const struct gos__window *w = &f->window;
    const struct gos__cursor *c = gos__window_current(w);
    st.kind = w->kind;
    st.reads = f->reads;
    st.hits = f->hits;
    st.bytes = f->bytes;
    st.jumps = w->jumps;
    st.waiting = f->waiting;
    st.blocked_ns = f->blocked_ns;
    st.blocked_since_ns = f->blocked_since;
    if (f->waiting && !s->closing)
        st.blocked_ns += ltc_now_ns(s->lt) - f->blocked_since;
    st.longest_wait_ns = f->longest_wait_ns;
    if (c) {
        position = gos__min_u64(c->next, f->size);
        st.position = position;
        st.rate = c->rate;
        st.window = c->edge - gos__min_u64(position, c->edge);
    }
    gos__unlock(&s->lock);
    st.ready = st.window ? (uint64_t)source_present(f, position, st.window) : 0;
    return gos__opts_give(out, &st, sizeof st);
}
