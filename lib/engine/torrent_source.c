/* SPDX-License-Identifier: MIT
 *
 * A file of a torrent as a gos_source: turns calls about the file into reads,
 * wishes and windows of the torrent. Runs in callers' threads; nothing here
 * waits or asks libtorrent. */
#include "base/alloc.h"
#include "base/minmax.h"
#include "engine/engine.h"

bool gos__torrent_source_read_locked(gos_session *s, struct gos__torrent_source *f, uint64_t off,
                                     uint64_t len)
{
    (void)s; /* says whose lock is held */
    gos_torrent *t = f->torrent;
    const struct gos__cursor *c = gos__window_read(&f->window, off, len);
    uint64_t piece = t->view->piece_length;
    uint64_t ahead = gos__window_ahead(c, GOS__WINDOW_MAX);
    /* Not each read is worth a plan: only one that moves an edge of its window by
     * a step, or begins a window of its own. */
    uint64_t step = gos__max_u64(piece, ahead / 8);
    uint64_t print = (c->next + ahead) / step + (c->at / piece) * 31 + (c->origin ^ step) * 977;
    bool due = print != f->window_print;
    f->window_print = print;
    return due;
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
    if (what == GOS_ADVICE_WILLNEED) {
        /* As if the range had been read: its end is where reading goes on. */
        struct gos__cursor *c = gos__window_read(&f->window, off, len);
        c->at = gos__min_u64(c->at, off);
    } else {
        gos__window_forget(&f->window, off, len);
    }
    f->window_print = 0;
    gos__plan_soon_locked(s);
    gos__unlock(&s->lock);
    return 0;
}

static int64_t source_present(void *self, uint64_t off, uint64_t len)
{
    struct gos__torrent_source *f = self;
    gos_torrent *t = f->torrent;
    uint64_t at = f->offset + off, end = at + len, piece = t->view->piece_length;
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

int gos__torrent_source_open(gos_torrent *t, const struct gos__file *file, gos_source **out)
{
    gos_session *s = t->session;
    struct gos__torrent_source *f = gos__calloc(1, sizeof *f);
    if (!f)
        return gos__error_nomem();
    f->torrent = t;
    f->offset = file->offset;
    f->size = file->size;
    gos__list_init(&f->link);
    int rc = gos_source_new(out, &torrent_ops, f);
    if (rc < 0) {
        gos__free(f);
        return rc;
    }
    gos__lock(&s->lock);
    gos__torrent_ref_locked(t);
    gos__list_append(&t->sources, &f->link);
    gos__unlock(&s->lock);
    return 0;
}
