/* SPDX-License-Identifier: MIT
 *
 * The hash thread: takes complete pieces one after the other, compares them with
 * what the torrent says, and tells the readers of good ones at once; what is to
 * be done about bad ones is left to the network thread. While a piece is looked
 * at its slots are borrowed, so that eviction needs not wait. */
#include "base/alloc.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/verify.h"

void gos__hasher_add_locked(gos_session *s, struct gos__piece *p)
{
    gos__torrent_ref_locked(p->owner); /* until its verdict is dealt with */
    p->hashing = true;
    p->pins++;
    p->unjudged = false;
    for (uint32_t i = 0; i < p->n_blocks; i++)
        gos__arena_borrow(&s->arena, p->slots[i]);
    gos__list_append(&s->to_hash, &p->hash_link);
    gos__cond_signal(&s->hash_wakes);
}

/* Prints of the blocks, for finding a liar. Without memory there are none, and
 * the piece is just fetched again. */
static uint64_t *make_prints(const gos_session *s, const struct gos__piece *p)
{
    uint64_t *prints = gos__malloc(p->n_blocks * sizeof *prints);
    for (uint32_t i = 0; prints && i < p->n_blocks; i++)
        prints[i] = gos__blame_print(s->print_key, s->block_ptrs[i], gos__piece_block_len(p, i));
    return prints;
}

/* `info` is NULL when the piece was evicted before its turn came: nobody asks any
 * more, and its torrent may sleep by now. */
static void judge(gos_session *s, struct gos__verifier *v, struct gos__piece *p,
                  const ltc_info *info)
{
    gos_torrent *t = p->owner;
    for (uint32_t i = 0; i < p->n_blocks; i++)
        s->block_ptrs[i] = gos__arena_at(&s->arena, p->slots[i]);
    int64_t begin = gos__clock_ns();
    int verdict = GOS_ENOMEM;
    if (!info)
        verdict = GOS__VERIFY_UNKNOWN;
    else if (v)
        verdict = gos__verify_piece(v, info, p->index, s->block_ptrs, p->n_blocks);
    gos__lock(&s->lock);
    bool want_prints = p->want_prints;
    gos__unlock(&s->lock);
    uint64_t *prints = NULL;
    bool freed = false;
    if (verdict == GOS__VERIFY_BAD || (want_prints && verdict == GOS__VERIFY_GOOD))
        prints = make_prints(s, p);

    gos__lock(&s->lock);
    gos__free(p->prints);
    p->prints = prints;
    t->stats.hash_ns += gos__clock_ns() - begin;
    p->verdict = verdict;
    for (uint32_t i = 0; i < p->n_blocks; i++)
        freed |= gos__arena_unborrow(&s->arena, p->slots[i]);
    if (freed && s->plan_starved)
        s->wishes_changed = true; /* it was evicted meanwhile, and somebody waits for its room */
    if (verdict == GOS__VERIFY_GOOD && !p->gone) {
        p->verified = true;
        gos__waiters_piece_verified_locked(s, p);
    }
    gos__list_append(&s->hashed, &p->hash_link);
    if (!s->closing)
        ltc_wake(s->lt);
    gos__unlock(&s->lock);
}

void *gos__hasher_main(void *session)
{
    gos_session *s = session;
    struct gos__verifier *v = NULL;
    gos__lock(&s->lock);
    while (!s->hash_quits) {
        if (gos__list_empty(&s->to_hash)) {
            gos__cond_wait(&s->hash_wakes, &s->lock);
            continue;
        }
        struct gos__piece *p = GOS__LIST_OWNER(s->to_hash.next, struct gos__piece, hash_link);
        gos__list_remove(&p->hash_link);
        const gos_torrent *t = p->owner;
        ltc_info *info = p->gone ? NULL : ltc_info_ref(t->info);
        gos__unlock(&s->lock);
        /* Made when first needed, and again as long as memory is short: the
         * verdict is then an error, and the piece is tried once more. */
        if (!v)
            (void)gos__verifier_new(&v);
        judge(s, v, p, info);
        ltc_info_unref(info);
        gos__lock(&s->lock);
    }
    gos__unlock(&s->lock);
    gos__verifier_free(v);
    return NULL;
}
