/* SPDX-License-Identifier: MIT
 *
 * The metadata of a torrent: waiting for it, what of it is kept for as long as
 * the torrent is known, and questions about it. Runs in callers' threads; what is
 * learnt of a magnet, on the network thread. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "engine/engine.h"
#include "source/cancel.h"

#define BUDGET_SLACK (UINT64_C(4) << 20) /* least budget: 2 pieces and this */

/* ---- learning ---- */

static int check_budget(const gos_session *s, const struct ltc_info_view *view)
{
    uint64_t least = 2 * (uint64_t)view->piece_length + BUDGET_SLACK;
    if ((uint64_t)s->arena.n_slots * GOS__SLOT_SIZE >= least)
        return 0;
    return gos__error(GOS_EBUDGET,
                      "pieces of this torrent are %u KiB: it needs a memory budget of at least "
                      "%llu KiB",
                      view->piece_length / 1024, (unsigned long long)least / 1024);
}

static bool can_be_opened(const struct ltc_file *f)
{
    return !(f->flags & (LTC_FILE_SYMLINK | LTC_FILE_PAD));
}

/* Room for the files and, behind them, all names. */
static int make_room(struct gos__meta *m, const struct ltc_info_view *v)
{
    size_t n = 0, names = strlen(v->name) + 1;
    for (uint32_t i = 0; i < v->n_files; i++) {
        if (can_be_opened(&v->files[i])) {
            names += strlen(v->files[i].path) + 1;
            n++;
        }
    }
    m->files = gos__malloc(n * sizeof *m->files + names);
    return m->files ? 0 : gos__error_nomem();
}

static size_t put_name(char *names, size_t at, const char *name)
{
    size_t n = strlen(name) + 1;
    memcpy(names + at, name, n);
    return at + n;
}

static void take_files(struct gos__meta *m, const struct ltc_info_view *v)
{
    size_t n = 0, end;
    for (uint32_t i = 0; i < v->n_files; i++)
        n += can_be_opened(&v->files[i]);
    char *names = (char *)(m->files + n);
    end = put_name(names, 0, v->name);
    for (uint32_t i = 0; i < v->n_files; i++) {
        const struct ltc_file *f = &v->files[i];
        if (!can_be_opened(f)) {
            m->n_symlinks += (f->flags & LTC_FILE_SYMLINK) != 0;
            continue;
        }
        /* All paths together are 32 MiB at most: they are counted in 32 bits. */
        struct gos__file file = {.offset = f->offset, .size = f->size, .path = (uint32_t)end};
        if (f->flags & LTC_FILE_RENAMED)
            file.flags = GOS_FILE_RENAMED;
        m->n_renamed += file.flags != 0;
        m->total_size += f->size;
        m->files[m->n_files++] = file;
        end = put_name(names, end, f->path);
    }
    m->names = names;
}

int gos__torrent_learn(gos_torrent *t, const struct ltc_info_view *v)
{
    struct gos__meta *m = &t->meta;
    int rc = check_budget(t->session, v);
    if (rc >= 0)
        rc = make_room(m, v);
    if (rc < 0)
        return rc;
    take_files(m, v);
    m->n_renamed += v->name_renamed;
    m->multi_file = v->multi_file;
    m->piece_length = v->piece_length;
    m->n_pieces = v->n_pieces;
    m->length = v->total_size;
    m->created = v->created;
    m->v1 = v->v1;
    m->v2 = v->v2;
    memcpy(m->v1_hash, v->v1_hash, sizeof m->v1_hash);
    memcpy(m->v2_hash, v->v2_hash, sizeof m->v2_hash);
    return 0;
}

int gos__torrent_set_info(gos_torrent *t, ltc_info *info)
{
    int rc = gos__torrent_learn(t, ltc_info_get(info));
    return rc < 0 ? rc : gos__torrent_equip(t, info);
}

/* ---- waiting ---- */

struct metadata_wait {
    struct gos__cancel_sub sub;
    gos_session *session;
};

static void wake_waiting(struct gos__cancel_sub *sub)
{
    struct metadata_wait *w = GOS__LIST_OWNER(sub, struct metadata_wait, sub);
    gos__lock(&w->session->lock);
    gos__cond_broadcast(&w->session->changed);
    gos__unlock(&w->session->lock);
}

static int wait_locked(gos_session *s, gos_torrent *t, const struct gos_io *io)
    GOS_REQUIRES(s->lock)
{
    int64_t deadline = io && io->deadline_ns ? io->deadline_ns : INT64_MAX;
    for (;;) {
        if (t->state == GOS__TORRENT_READY)
            return 0;
        if (t->state == GOS__TORRENT_FAILED)
            return gos__error(t->fail_code, "%s", t->fail_text);
        if (s->closing)
            return gos__error(GOS_ECANCELED, "the session is closed");
        if (io && io->cancel && gos_cancel_fired(io->cancel))
            return gos__error(GOS_ECANCELED, "cancelled while waiting for metadata");
        if (!gos__cond_wait_until(&s->changed, &s->lock, deadline))
            return gos__error(GOS_ETIMEDOUT, "no peer sent the metadata in time");
    }
}

int gos_torrent_wait(gos_torrent *t, const struct gos_io *io)
{
    struct gos_io copy;
    if (!t)
        return gos__error(GOS_EINVAL, "no torrent");
    int rc = gos__opts_copy(&copy, sizeof copy, io);
    if (rc < 0)
        return rc;
    struct metadata_wait w = {.session = t->session};
    w.sub.fired = wake_waiting;
    bool told = copy.cancel && gos__cancel_subscribe(copy.cancel, &w.sub);
    gos_session *s = t->session;
    gos__lock(&s->lock);
    rc = wait_locked(s, t, &copy);
    gos__unlock(&s->lock);
    if (told)
        gos__cancel_unsubscribe(copy.cancel, &w.sub);
    return rc;
}

/* ---- questions ---- */

uint64_t gos_torrent_id(const gos_torrent *t)
{
    return t ? t->id : 0;
}

static int check_ready(gos_torrent *t)
{
    gos__lock(&t->session->lock);
    bool known = t->known;
    gos__unlock(&t->session->lock);
    return known ? 0 : gos__error(GOS_EAGAIN, "the metadata of the torrent is not known yet");
}

int gos__torrent_check_index(gos_torrent *t, size_t index)
{
    int rc = check_ready(t);
    if (rc < 0)
        return rc;
    if (index >= t->meta.n_files)
        return gos__error(GOS_ENOENT, "the torrent has %zu files, there is no number %zu",
                          t->meta.n_files, index);
    return 0;
}

static void hex(char *out, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

int gos_torrent_get_info(gos_torrent *t, struct gos_torrent_info *out)
{
    if (!t || !out)
        return gos__error(GOS_EINVAL, "no torrent, or no place for its description");
    int rc = check_ready(t);
    if (rc < 0)
        return rc;
    const struct gos__meta *m = &t->meta;
    struct gos_torrent_info i = {
        .struct_size = sizeof i,
        .name = m->names,
        .multi_file = m->multi_file,
        .total_size = m->total_size,
        .piece_length = m->piece_length,
        .n_pieces = m->n_pieces,
        .n_files = m->n_files,
        .n_symlinks = m->n_symlinks,
        .n_renamed = m->n_renamed,
        .created = m->created,
    };
    if (m->v1)
        hex(i.info_hash, m->v1_hash, sizeof m->v1_hash);
    else
        hex(i.info_hash, m->v2_hash, sizeof m->v2_hash);
    return gos__opts_give(out, &i, sizeof i);
}

int gos_torrent_get_file(gos_torrent *t, size_t index, struct gos_file_info *out)
{
    if (!t || !out)
        return gos__error(GOS_EINVAL, "no torrent, or no place for the file's description");
    int rc = gos__torrent_check_index(t, index);
    if (rc < 0)
        return rc;
    const struct gos__file *f = &t->meta.files[index];
    struct gos_file_info i = {.struct_size = sizeof i,
                              .path = t->meta.names + f->path,
                              .size = f->size,
                              .flags = f->flags};
    return gos__opts_give(out, &i, sizeof i);
}
