/* SPDX-License-Identifier: MIT
 *
 * Reads that wait, and the thread that ends them. A read is looked at in the
 * caller's thread first: what is there is given at once. Else a waiter is left
 * for the network thread, which fetches what it needs; the hash thread moves it
 * to the ready list when its piece is verified; the done thread copies or
 * borrows, and calls `done` with no lock held. */
#include "engine/engine.h"

#include <string.h>

#include "base/alloc.h"
#include "base/minmax.h"

#define HELD_SHARE 4 /* at most a quarter of the arena is lent out as slices */

/* ---- taking bytes out of a verified piece ---- */

static uint64_t slots_spanned(uint64_t off_in_piece, uint64_t len)
{
    return (off_in_piece + len - 1) / GOS__SLOT_SIZE - off_in_piece / GOS__SLOT_SIZE + 1;
}

/* Lend the bytes [at, at + len) of a piece to the slices of `r`; neighbours are
 * joined. */
static void lend_locked(gos_session *s, const struct gos__piece *p, uint64_t at, uint64_t len,
                        struct gos_read *r) GOS_REQUIRES(s->lock)
{
    while (len > 0) {
        uint32_t block = (uint32_t)(at / GOS__SLOT_SIZE), in = (uint32_t)(at % GOS__SLOT_SIZE);
        uint64_t n = gos__min_u64(len, GOS__SLOT_SIZE - in);
        const unsigned char *bytes = gos__arena_at(&s->arena, p->slots[block]) + in;
        struct gos_slice *last = r->n_slices ? &r->slices[r->n_slices - 1] : NULL;
        gos__arena_borrow(&s->arena, p->slots[block]);
        if (last && (const unsigned char *)last->base + last->len == bytes)
            last->len += n;
        else
            r->slices[r->n_slices++] = (struct gos_slice){bytes, n};
        at += n;
        len -= n;
    }
}

/* Give back what lend_locked() lent. Slices of joined neighbours cover whole
 * slots from the second on, so the slots can be told from the addresses. */
static void take_back_locked(gos_session *s, const struct gos_slice *slices, unsigned n)
    GOS_REQUIRES(s->lock)
{
    bool freed = false;
    for (unsigned i = 0; i < n; i++) {
        uint32_t first = gos__arena_slot_of(&s->arena, slices[i].base);
        uint32_t last = gos__arena_slot_of(&s->arena, (const unsigned char *)slices[i].base +
                                                          slices[i].len - 1);
        for (uint32_t slot = first; slot <= last; slot++)
            freed |= gos__arena_unborrow(&s->arena, slot);
    }
    if (freed && s->plan_starved)
        gos__plan_soon_locked(s);
}

/* Copy up to `len` bytes at `at` of a piece into `to`; returns how many. The lock
 * is given up meanwhile: the slots are borrowed, and the piece is pinned, so that
 * it can be told afterwards whether it is still there. */
static uint64_t copy_out(gos_session *s, struct gos__piece *p, uint64_t at, uint64_t len,
                         unsigned char *to) GOS_REQUIRES(s->lock)
{
    uint64_t done = 0;
    bool there = true;
    p->pins++;
    while (done < len && there) {
        struct gos_slice some[64];
        struct gos_read part = {.slices = some};
        uint64_t n = gos__min_u64(len - done, 63 * (uint64_t)GOS__SLOT_SIZE);
        lend_locked(s, p, at + done, n, &part);
        gos__unlock(&s->lock);
        for (unsigned i = 0; i < part.n_slices; i++) {
            memcpy(to + done, some[i].base, some[i].len);
            done += some[i].len;
        }
        gos__lock(&s->lock);
        take_back_locked(s, some, part.n_slices);
        there = !p->gone && p->verified;
    }
    gos__piece_unpin(p);
    return done;
}

/* Move what is there into the read. True: it has all it asked for. */
static bool advance_locked(gos_session *s, struct gos__waiter *w) GOS_REQUIRES(s->lock)
{
    gos_torrent *t = w->torrent;
    while (w->got < w->len && w->result == 0) {
        if (!t->live) /* asked again while copying: the lock was given up */
            return false;
        uint64_t piece_length = t->view->piece_length;
        uint64_t off = w->off + w->got, in = off % piece_length;
        w->piece = (uint32_t)(off / piece_length);
        struct gos__piece *p = t->pieces[w->piece];
        if (!p || !p->verified)
            return false;
        uint64_t n = gos__min_u64(w->len - w->got, p->size - in);
        gos__list_remove(&p->link); /* the youngest use now */
        gos__list_append(&s->pieces, &p->link);
        if (w->read->buf)
            n = copy_out(s, p, in, n, (unsigned char *)w->read->buf + w->got);
        else
            lend_locked(s, p, in, n, w->read);
        w->got += n;
        gos__window_given(&w->source->window, off - w->source->offset, off + n - w->source->offset);
    }
    return w->got == w->len;
}

/* ---- waiting ---- */

void gos__waiters_end_locked(gos_session *s, struct gos__waiter *w, int code)
{
    if (w->result == 0)
        w->result = code;
    if (gos__list_empty(&w->ready_link))
        gos__list_append(&s->ready, &w->ready_link);
    gos__cond_signal(&s->done_wakes);
}

void gos__waiters_fail_locked(gos_session *s, const gos_torrent *t, int code)
{
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next) {
        struct gos__waiter *w = GOS__LIST_OWNER(l, struct gos__waiter, link);
        if (!t || w->torrent == t)
            gos__waiters_end_locked(s, w, code);
    }
}

void gos__waiters_piece_verified_locked(gos_session *s, struct gos__piece *p)
{
    bool any = false;
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next) {
        struct gos__waiter *w = GOS__LIST_OWNER(l, struct gos__waiter, link);
        if (w->torrent != p->owner || w->piece != p->index || !gos__list_empty(&w->ready_link))
            continue;
        gos__list_append(&s->ready, &w->ready_link);
        any = true;
    }
    if (any)
        gos__cond_signal(&s->done_wakes);
}

/* When a waiter's time is over, were nothing more to arrive. */
static int64_t expiry_locked(const struct gos__waiter *w)
{
    int64_t deadline = w->read->deadline_ns ? w->read->deadline_ns : INT64_MAX;
    if (!w->read->idle_ns || !w->served)
        return deadline;
    int64_t since = w->since_ns;
    const struct gos__piece *p = w->torrent->live ? w->torrent->pieces[w->piece] : NULL;
    if (p)
        since = gos__max_i64(since, p->progress_ns);
    return gos__min_i64(deadline, since + w->read->idle_ns);
}

/* Network thread: the peers are its own. */
static enum gos__late why_late(const struct gos__waiter *w)
{
    const gos_torrent *t = w->torrent;
    bool any = false;
    for (struct gos__list *l = t->peers.next; l != &t->peers; l = l->next) {
        const struct gos__peer *p = GOS__LIST_OWNER(l, struct gos__peer, link);
        if (!p->joined || p->banned)
            continue;
        if (!t->live || ltc_peer_has(p->lt, w->piece))
            return GOS__LATE_PEERS;
        any = true;
    }
    return any ? GOS__LATE_NO_PIECE : GOS__LATE_NO_PEER;
}

int64_t gos__waiters_expire_locked(gos_session *s, int64_t now)
{
    int64_t next = INT64_MAX;
    for (struct gos__list *l = s->waiting.next; l != &s->waiting; l = l->next) {
        struct gos__waiter *w = GOS__LIST_OWNER(l, struct gos__waiter, link);
        int64_t at = expiry_locked(w);
        if (at > now) {
            next = gos__min_i64(next, at);
            continue;
        }
        if (w->result == 0)
            w->late = why_late(w);
        gos__waiters_end_locked(s, w, GOS_ETIMEDOUT);
    }
    return next;
}

static void count_wait_locked(gos_session *s, struct gos__waiter *w) GOS_REQUIRES(s->lock)
{
    struct gos__torrent_source *f = w->source;
    int64_t now = s->closing ? w->began_ns : ltc_now_ns(s->lt);
    f->longest_wait_ns = gos__max_i64(f->longest_wait_ns, now - w->began_ns);
    if (--f->waiting > 0)
        return;
    f->blocked_ns += now - f->blocked_since;
    f->blocked_since = 0;
}

static void remove_locked(gos_session *s, struct gos__waiter *w) GOS_REQUIRES(s->lock)
{
    gos__list_remove(&w->link);
    gos__list_remove(&w->ready_link);
    s->n_waiting--;
    count_wait_locked(s, w);
    gos__blocked_end_locked(s, w->source);
    /* What it waited for is not awaited any more: what was asked for it is called
     * off. Where it got everything, nothing is left to call off. */
    if (w->got < w->len || s->line || s->plan_starved)
        gos__plan_soon_locked(s);
    w->read->lib.ptr[0] = NULL; /* from here on cancel finds nothing */
}

/* The result of a read that ends now; what it borrowed goes back on errors. */
static int64_t settle_locked(gos_session *s, struct gos__waiter *w) GOS_REQUIRES(s->lock)
{
    struct gos_read *r = w->read;
    bool whole = w->got == w->len;
    if (whole || (w->got > 0 && (r->flags & GOS_READ_PARTIAL))) {
        w->source->bytes += w->got;
        r->lib.num[0] = w->reserved;
        return (int64_t)w->got;
    }
    if (!r->buf) {
        take_back_locked(s, r->slices, r->n_slices);
        r->n_slices = 0;
        s->reserved_slices -= w->reserved;
    }
    return w->result;
}

static void say_late(const struct gos__waiter *w)
{
    if (w->late == GOS__LATE_NO_PEER)
        gos__error(GOS_ETIMEDOUT, "nothing came in time: no peer is connected");
    else if (w->late == GOS__LATE_NO_PIECE)
        gos__error(GOS_ETIMEDOUT, "nothing came in time: no connected peer has piece %u", w->piece);
    else
        gos__error(GOS_ETIMEDOUT, "no peer sent the data in time");
}

/* `text` is the torrent's, for what only it knows. */
static void say_why(const struct gos__waiter *w, int64_t result, const char *text)
{
    if (result == GOS_ETIMEDOUT)
        say_late(w);
    else if (result == GOS_ECANCELED)
        gos__error(GOS_ECANCELED, "the read was cancelled, or the session closed");
    else if (result == GOS_ENOMEM)
        gos__error_nomem();
    else if (result == GOS_EMETADATA || result == GOS_EEXIST)
        gos__error((int)result, "%s", text);
    else if (result < 0)
        gos__error((int)result, "the torrent stopped working");
}

void *gos__waiters_main(void *session)
{
    gos_session *s = session;
    gos__lock(&s->lock);
    for (;;) {
        if (gos__list_empty(&s->ready)) {
            if (s->done_quits)
                break;
            gos__cond_wait(&s->done_wakes, &s->lock);
            continue;
        }
        struct gos__waiter *w = GOS__LIST_OWNER(s->ready.next, struct gos__waiter, ready_link);
        bool all = advance_locked(s, w);
        gos__list_remove(&w->ready_link);
        bool some = w->got > 0 && (w->read->flags & GOS_READ_PARTIAL);
        if (!all && !some && w->result == 0) {
            w->since_ns = s->closing ? 0 : ltc_now_ns(s->lt);
            w->served = false; /* until the plan has its next piece */
            gos__plan_soon_locked(s);
            continue;
        }
        struct gos_read *r = w->read;
        int64_t result = settle_locked(s, w);
        char text[sizeof w->torrent->fail_text];
        memcpy(text, w->torrent->fail_text, sizeof text);
        remove_locked(s, w);
        gos__unlock(&s->lock);
        say_why(w, result, text);
        gos__free(w);
        gos_read_complete(r, result);
        gos__lock(&s->lock);
    }
    gos__unlock(&s->lock);
    return NULL;
}

/* ---- the source's face ---- */

/* Slices: see that the caller's array and our promise to keep most of the arena
 * for pieces allow it. May shorten a partial read. */
static int reserve_locked(gos_session *s, struct gos__waiter *w) GOS_REQUIRES(s->lock)
{
    struct gos_read *r = w->read;
    uint64_t in = w->off % GOS__SLOT_SIZE; /* pieces are whole slots, but the last */
    if (slots_spanned(in, w->len) > r->max_slices) {
        if (!(r->flags & GOS_READ_PARTIAL) || r->max_slices == 0)
            return gos__error(GOS_E2BIG, "%llu bytes need up to %llu slices, there are %u",
                              (unsigned long long)w->len,
                              (unsigned long long)slots_spanned(in, w->len), r->max_slices);
        w->len = (uint64_t)r->max_slices * GOS__SLOT_SIZE - in;
    }
    uint32_t n = (uint32_t)slots_spanned(in, w->len); /* at most max_slices */
    if ((uint64_t)s->reserved_slices + n > s->arena.n_slots / HELD_SHARE)
        return gos__error(GOS_EBUSY, "a quarter of the memory budget is lent out already");
    s->reserved_slices += n;
    w->reserved = n;
    return 0;
}

static void enqueue_locked(gos_session *s, struct gos__waiter *w) GOS_REQUIRES(s->lock)
{
    struct gos_read *r = w->read;
    w->since_ns = w->began_ns;
    if (w->source->waiting++ == 0)
        w->source->blocked_since = w->began_ns;
    r->lib.ptr[0] = w;
    gos__list_append(&s->waiting, &w->link);
    gos__blocked_begin_locked(s, w);
    s->n_waiting++;
    int64_t expires = expiry_locked(w);
    if (r->idle_ns)
        expires = gos__min_i64(expires, w->since_ns + r->idle_ns);
    s->next_expiry = gos__min_i64(s->next_expiry, expires);
    gos__plan_soon_locked(s);
}

static int check_locked(gos_session *s, const gos_torrent *t) GOS_REQUIRES(s->lock)
{
    if (s->closing)
        return gos__error(GOS_ECANCELED, "the session is closed");
    if (t->state == GOS__TORRENT_FAILED)
        return gos__error(GOS_EIO, "%s", t->fail_text);
    return 0;
}

/* 1 finished, 0 waiting, or an error. */
static int begin_locked(gos_session *s, struct gos__torrent_source *f, struct gos__waiter *w)
    GOS_REQUIRES(s->lock)
{
    gos_torrent *t = f->torrent;
    struct gos_read *r = w->read;
    int rc = check_locked(s, t);
    if (rc >= 0 && !r->buf)
        rc = reserve_locked(s, w);
    if (rc < 0)
        return rc;
    w->began_ns = ltc_now_ns(s->lt);
    f->reads++;
    if (gos__torrent_source_read_locked(s, f, w->off - f->offset, w->len, w->began_ns))
        gos__plan_soon_locked(s);
    bool all = advance_locked(s, w);
    if (all || (w->got > 0 && (r->flags & GOS_READ_PARTIAL))) {
        f->hits++;
        f->bytes += w->got;
        r->result = (int64_t)w->got;
        r->lib.num[0] = w->reserved;
        return 1;
    }
    /* The lock was given up while copying. Whatever ended meanwhile told those that
     * waited, and this one did not yet; and the torrent may have begun to leave. */
    w->result = check_locked(s, t);
    if (w->result < 0)
        return (int)settle_locked(s, w);
    gos__sleep_used_locked(s, t, ltc_now_ns(s->lt));
    enqueue_locked(s, w);
    return 0;
}

int gos__waiters_start(struct gos__torrent_source *f, struct gos_read *r)
{
    gos_session *s = f->torrent->session;
    struct gos__waiter here = {
        .read = r, .torrent = f->torrent, .source = f, .off = f->offset + r->off, .len = r->len};
    /* Memory first, so that nothing has to be undone; given back when not needed. */
    struct gos__waiter *w = gos__malloc(sizeof *w);
    if (!w)
        return gos__error_nomem();
    *w = here;
    gos__list_init(&w->link);
    gos__list_init(&w->ready_link);
    r->n_slices = 0;
    r->lib.ptr[0] = NULL; /* cancel looks here; a read may be used again */
    gos__lock(&s->lock);
    int rc = begin_locked(s, f, w);
    gos__unlock(&s->lock);
    if (rc != 0)
        gos__free(w);
    return rc;
}

void gos__waiters_cancel(struct gos__torrent_source *f, struct gos_read *r)
{
    gos_session *s = f->torrent->session;
    gos__lock(&s->lock);
    struct gos__waiter *w = r->lib.ptr[0];
    if (w)
        gos__waiters_end_locked(s, w, GOS_ECANCELED);
    gos__unlock(&s->lock);
}

void gos__waiters_release(struct gos__torrent_source *f, struct gos_read *r)
{
    gos_session *s = f->torrent->session;
    gos__lock(&s->lock);
    take_back_locked(s, r->slices, r->n_slices);
    s->reserved_slices -= (uint32_t)r->lib.num[0];
    gos__unlock(&s->lock);
    r->n_slices = 0;
}
