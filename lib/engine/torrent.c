/* SPDX-License-Identifier: MIT
 *
 * A torrent: adding it, waiting for its metadata, its files and figures, letting
 * it go. Runs in callers' threads; what may block on libtorrent is done by the
 * pump. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/minmax.h"
#include "base/opts.h"
#include "engine/address.h"
#include "engine/engine.h"
#include "engine/magnet.h"
#include "source/cancel.h"

#define BUDGET_SLACK (UINT64_C(4) << 20) /* least budget: 2 pieces and this */

/* ---- life ---- */

static void torrent_free(gos_torrent *t)
{
    if (!t)
        return;
    gos__sched_free(t->sched);
    gos__blame_free(t->blame);
    gos__free(t->pieces);
    gos__free(t->order);
    gos__free(t->padding);
    gos__free(t->files);
    ltc_info_unref(t->info);
    gos__free(t);
}

/* Free it if nobody can reach it any more. Unlocks. */
static void settle_and_unlock(gos_session *s, gos_torrent *t) GOS_RELEASES(s->lock)
{
    if (t->refs > 0 || !t->removed || t->leaving) {
        gos__unlock(&s->lock);
        return;
    }
    gos__list_remove(&t->link);
    s->received_before += t->stats.received;
    gos__session_unref_locked(s);
    torrent_free(t);
}

/* The pump: nobody wants the torrent any more. */
static void leave_swarm(struct gos__call *call)
{
    gos_torrent *t = GOS__LIST_OWNER(call, gos_torrent, leave);
    gos_session *s = t->session;
    gos__lock(&s->lock);
    bool there = !t->removed && t->lt;
    gos__unlock(&s->lock);
    if (there)
        ltc_torrent_remove(t->lt); /* `removed` comes from the network thread */
    gos__lock(&s->lock);
    t->leaving = false;
    settle_and_unlock(s, t);
}

/* The network thread: libtorrent has let go of it. */
void gos__torrent_removed(gos_torrent *t)
{
    gos_session *s = t->session;
    gos__lock(&s->lock);
    t->removed = true;
    t->live = false;
    settle_and_unlock(s, t);
}

void gos__torrent_ref_locked(gos_torrent *t)
{
    t->refs++;
}

void gos_torrent_unref(gos_torrent *t)
{
    if (!t)
        return;
    gos_session *s = t->session;
    gos__lock(&s->lock);
    /* Once only: the hash thread may hold it for a moment again after that. */
    if (--t->refs == 0 && !t->removed && !t->given_up) {
        t->given_up = t->leaving = true;
        gos__pump_post_locked(s, &t->leave);
        if (!s->closing)
            ltc_interrupt(s->lt);
    }
    settle_and_unlock(s, t);
}

void gos__torrent_fail(gos_torrent *t, int code, const char *text)
{
    gos_session *s = t->session;
    gos__lock(&s->lock);
    if (t->state != GOS__TORRENT_FAILED) {
        t->state = GOS__TORRENT_FAILED;
        t->fail_code = code;
        snprintf(t->fail_text, sizeof t->fail_text, "%s", text);
    }
    gos__waiters_fail_locked(s, t, code == GOS_EBUDGET ? code : GOS_EIO);
    gos__cond_broadcast(&s->changed);
    gos__unlock(&s->lock);
}

/* ---- metadata ---- */

/* The least budget for a torrent, if ours is smaller; else 0. */
static int64_t missing_budget(const gos_session *s, const struct ltc_info_view *view)
{
    uint64_t least = 2 * (uint64_t)view->piece_length + BUDGET_SLACK;
    uint64_t have = (uint64_t)s->arena.n_slots * GOS__SLOT_SIZE;
    return have < least ? (int64_t)least : 0;
}

/* Files that can be opened; links are counted in passing. */
static size_t count_files(gos_torrent *t, const struct ltc_info_view *v)
{
    size_t n = 0;
    for (uint32_t i = 0; i < v->n_files; i++) {
        const struct ltc_file *f = &v->files[i];
        if (f->flags & LTC_FILE_SYMLINK)
            t->n_symlinks++;
        else if (!(f->flags & LTC_FILE_PAD))
            n++;
    }
    return n;
}

/* What the network thread needs for the torrent's pieces. */
static int make_tables(gos_torrent *t)
{
    const struct ltc_info_view *v = t->view;
    t->order = gos__calloc(gos__min_u64(v->n_pieces, t->session->arena.n_slots), sizeof *t->order);
    t->padding = gos__calloc(v->piece_length / LTC_BLOCK, 1);
    t->pieces = gos__calloc(v->n_pieces, sizeof(struct gos__piece *));
    if (!t->order || !t->padding || !t->pieces)
        return gos__error_nomem();
    return gos__sched_new(&t->sched, &gos__net_sched_out, t);
}

int gos__torrent_set_info(gos_torrent *t, ltc_info *info)
{
    const struct ltc_info_view *v = ltc_info_get(info);
    int64_t least = missing_budget(t->session, v);
    if (least > 0)
        return gos__error(GOS_EBUDGET,
                          "pieces of this torrent are %u KiB: it needs a memory budget of at least "
                          "%lld KiB",
                          v->piece_length / 1024, (long long)least / 1024);
    size_t n = count_files(t, v);
    t->files = gos__calloc(n ? n : 1, sizeof *t->files);
    if (!t->files)
        return gos__error_nomem();
    for (uint32_t i = 0; i < v->n_files; i++) {
        const struct ltc_file *f = &v->files[i];
        if (f->flags & (LTC_FILE_SYMLINK | LTC_FILE_PAD))
            continue;
        uint32_t flags = f->flags & LTC_FILE_RENAMED ? GOS_FILE_RENAMED : 0;
        t->n_renamed += flags != 0;
        t->total_size += f->size;
        t->files[t->n_files++] = (struct gos__file){
            .path = f->path, .offset = f->offset, .size = f->size, .flags = flags};
    }
    if (v->name_renamed)
        t->n_renamed++;
    t->info = ltc_info_ref(info);
    t->view = v;
    return make_tables(t);
}

/* ---- adding ---- */

struct add_call {
    struct gos__call call;
    gos_torrent *torrent;
    const struct ltc_add *add;
    struct ltc_error err;
    int rc;
};

static void add_on_pump(struct gos__call *call)
{
    struct add_call *c = GOS__LIST_OWNER(call, struct add_call, call);
    c->rc = ltc_torrent_add(c->torrent->session->lt, &c->torrent->lt, c->add, c->torrent, &c->err);
}

/* A torrent that libtorrent never took: nothing else knows of it. */
static void discard(gos_torrent *t)
{
    gos_session *s = t->session;
    gos__lock(&s->lock);
    gos__list_remove(&t->link);
    gos__session_unref_locked(s);
    torrent_free(t);
}

static gos_torrent *torrent_new(gos_session *s)
{
    gos_torrent *t = gos__calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->session = s;
    t->refs = 1;
    t->leave.run = leave_swarm;
    gos__list_init(&t->link);
    gos__list_init(&t->sources);
    gos__list_init(&t->peers);
    gos__list_init(&t->net_link);
    if (gos__blame_new(&t->blame) < 0) {
        torrent_free(t);
        return NULL;
    }
    gos__lock(&s->lock);
    s->refs++;
    gos__list_append(&s->torrents, &t->link);
    gos__unlock(&s->lock);
    return t;
}

static int parse_peers(struct sockaddr_storage **out, const struct gos_add_opts *o,
                       char *const *more, size_t n_more, size_t *n_out)
{
    struct sockaddr_storage *sa = gos__calloc(o->n_peers + n_more + 1, sizeof *sa);
    size_t n = 0;
    if (!sa)
        return gos__error_nomem();
    for (size_t i = 0; i < o->n_peers; i++) {
        int rc = gos__address_parse(&sa[n], o->peers[i]);
        if (rc < 0) {
            gos__free(sa);
            return rc;
        }
        n++;
    }
    for (size_t i = 0; i < n_more; i++) {
        /* What a magnet link says may be a name or nonsense: left out, not refused. */
        if (gos__address_parse(&sa[n], more[i]) == 0)
            n++;
    }
    *out = sa;
    *n_out = n;
    return 0;
}

static int add_to_swarm(gos_session *s, gos_torrent **out, gos_torrent *t,
                        const struct ltc_add *add)
{
    struct add_call c = {.call.run = add_on_pump, .torrent = t, .add = add};
    int rc = gos__pump_call(s, &c.call);
    if (rc >= 0 && c.rc < 0)
        rc = gos__error(c.rc == -EBADMSG ? GOS_EMETADATA : c.rc, "%s", c.err.text);
    if (rc < 0) {
        discard(t);
        return rc;
    }
    *out = t;
    return 0;
}

int gos_session_add_torrent(gos_session *s, gos_torrent **out, const void *bytes, size_t len,
                            const struct gos_add_opts *opts)
{
    struct gos_add_opts o;
    struct ltc_error err = {0};
    ltc_info *info = NULL;
    struct sockaddr_storage *peers = NULL;
    if (!s || !out || !bytes)
        return gos__error(GOS_EINVAL, "no session, no bytes, or no place for the torrent");
    int rc = gos__opts_copy(&o, sizeof o, opts);
    if (rc < 0)
        return rc;
    rc = ltc_info_parse(&info, bytes, len, &err);
    if (rc < 0)
        return gos__error(rc == -EBADMSG ? GOS_EMETADATA : rc, "%s", err.text);
    struct ltc_add add = {.info = info};
    gos_torrent *t = torrent_new(s);
    rc = t ? gos__torrent_set_info(t, info) : gos__error_nomem();
    if (rc >= 0)
        rc = parse_peers(&peers, &o, NULL, 0, &add.n_peers);
    add.peers = peers;
    if (rc >= 0) {
        t->state = GOS__TORRENT_READY; /* nobody else knows it yet */
        t->known = true;
        rc = add_to_swarm(s, out, t, &add);
    } else if (t) {
        discard(t);
    }
    gos__free(peers);
    ltc_info_unref(info);
    return rc;
}

int gos_session_add_magnet(gos_session *s, gos_torrent **out, const char *uri,
                           const struct gos_add_opts *opts)
{
    struct gos_add_opts o;
    struct gos__magnet m;
    struct sockaddr_storage *peers = NULL;
    if (!s || !out || !uri)
        return gos__error(GOS_EINVAL, "no session, no link, or no place for the torrent");
    int rc = gos__opts_copy(&o, sizeof o, opts);
    if (rc < 0)
        return rc;
    rc = gos__magnet_parse(&m, uri);
    if (rc < 0)
        return rc;
    struct ltc_add add = {.v1_hash = m.has_v1 ? m.v1 : NULL,
                          .v2_hash = m.has_v2 ? m.v2 : NULL,
                          .name = m.name,
                          .trackers = (const char *const *)m.trackers,
                          .n_trackers = m.n_trackers};
    rc = parse_peers(&peers, &o, m.peers, m.n_peers, &add.n_peers);
    add.peers = peers;
    gos_torrent *t = rc >= 0 ? torrent_new(s) : NULL;
    if (t)
        rc = add_to_swarm(s, out, t, &add);
    else if (rc >= 0)
        rc = gos__error_nomem();
    gos__free(peers);
    gos__magnet_finish(&m);
    return rc;
}

struct peer_call {
    struct gos__call call;
    gos_torrent *torrent;
    struct sockaddr_storage sa;
    int rc;
};

static void add_peer_on_pump(struct gos__call *call)
{
    struct peer_call *c = GOS__LIST_OWNER(call, struct peer_call, call);
    c->rc = ltc_torrent_add_peer(c->torrent->lt, &c->sa);
}

int gos_torrent_add_peer(gos_torrent *t, const char *peer)
{
    if (!t || !peer)
        return gos__error(GOS_EINVAL, "no torrent or no peer");
    struct peer_call c = {.call.run = add_peer_on_pump, .torrent = t};
    int rc = gos__address_parse(&c.sa, peer);
    if (rc < 0)
        return rc;
    rc = gos__pump_call(t->session, &c.call);
    if (rc < 0)
        return rc;
    return c.rc < 0 ? gos__error(c.rc, "the peer cannot be added") : 0;
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

static int check_ready(gos_torrent *t)
{
    gos__lock(&t->session->lock);
    bool known = t->known;
    gos__unlock(&t->session->lock);
    return known ? 0 : gos__error(GOS_EAGAIN, "the metadata of the torrent is not known yet");
}

static int check_index(gos_torrent *t, size_t index)
{
    int rc = check_ready(t);
    if (rc < 0)
        return rc;
    if (index >= t->n_files)
        return gos__error(GOS_ENOENT, "the torrent has %zu files, there is no number %zu",
                          t->n_files, index);
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
    const struct ltc_info_view *v = t->view;
    struct gos_torrent_info i = {
        .struct_size = sizeof i,
        .name = v->name,
        .multi_file = v->multi_file,
        .total_size = t->total_size,
        .piece_length = v->piece_length,
        .n_pieces = v->n_pieces,
        .n_files = t->n_files,
        .n_symlinks = t->n_symlinks,
        .n_renamed = t->n_renamed,
        .created = v->created,
    };
    if (v->v1)
        hex(i.info_hash, v->v1_hash, sizeof v->v1_hash);
    else
        hex(i.info_hash, v->v2_hash, sizeof v->v2_hash);
    return gos__opts_give(out, &i, sizeof i);
}

int gos_torrent_get_file(gos_torrent *t, size_t index, struct gos_file_info *out)
{
    if (!t || !out)
        return gos__error(GOS_EINVAL, "no torrent, or no place for the file's description");
    int rc = check_index(t, index);
    if (rc < 0)
        return rc;
    const struct gos__file *f = &t->files[index];
    struct gos_file_info i = {
        .struct_size = sizeof i, .path = f->path, .size = f->size, .flags = f->flags};
    return gos__opts_give(out, &i, sizeof i);
}

int gos_torrent_open_file(gos_torrent *t, size_t index, gos_source **out)
{
    if (!t || !out)
        return gos__error(GOS_EINVAL, "no torrent, or no place for the source");
    int rc = check_index(t, index);
    if (rc < 0)
        return rc;
    return gos__torrent_source_open(t, &t->files[index], out);
}

int gos_torrent_get_stats(gos_torrent *t, struct gos_torrent_stats *out)
{
    if (!t || !out)
        return gos__error(GOS_EINVAL, "no torrent, or no place for its figures");
    gos_session *s = t->session;
    gos__lock(&s->lock);
    struct gos_torrent_stats st = t->stats;
    st.struct_size = sizeof st;
    st.resident = (uint64_t)t->n_resident * GOS__SLOT_SIZE;
    st.waiting_reads = 0;
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next)
        st.waiting_reads += GOS__LIST_OWNER(l, struct gos__waiter, link)->torrent == t;
    gos__unlock(&s->lock);
    return gos__opts_give(out, &st, sizeof st);
}
