/* SPDX-License-Identifier: MIT
 *
 * Who lied: addresses that keep their number over reconnections, and the prints
 * of failed copies until a good one tells which blocks were wrong. Network
 * thread; gos__blame_print() runs anywhere. */
#include "engine/blame.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/list.h"
#include "engine/scheduler.h"

#define MAX_KNOWN 65536
#define FIRST_BUCKETS 16         /* doubled as it fills, up to: */
#define MAX_BUCKETS 4096         /* chains of 16 when full */
#define MAX_AT_REST 256          /* guilty ones that are remembered while nobody is met */
#define MAX_COPIES 256           /* failed ones that are remembered */
#define MAX_BLOCKS (128u * 1024) /* of all of them: 1.5 MiB */

struct address {
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint16_t port;  /* on loopback, else 0 */
    uint16_t zero;
    uint32_t scope; /* of link-local ones: which link */
};

/* Somebody, in two tables: by address and by number. */
struct known {
    struct gos__list age;
    struct known *next_by_address;
    struct known *next_by_who;
    struct address address;
    uint32_t who;
    struct gos__endpoint seen; /* last, as it was */
    bool banned;
};

/* A copy of a piece that failed, the prints first. */
struct copy {
    struct gos__list age;
    uint32_t piece;
    uint32_t n;
    uint64_t *prints;
    uint32_t *senders;
};

struct gos__blame {
    uint64_t key;              /* so that nobody can choose addresses that share a bucket */
    struct known **by_address; /* n_buckets entries, and behind them ... */
    struct known **by_who;     /* ... as many */
    size_t n_buckets;          /* a power of two */
    struct gos__list known;    /* the longest unseen first */
    size_t n_known;
    uint32_t next_who;
    uint64_t bans;
    struct gos__list copies; /* the oldest first */
    size_t n_copies;
    size_t n_blocks;
};

/* ---- prints ---- */

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The two halves of a 128-bit product, folded: each bit of both arguments
 * reaches each bit of the result. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* splitmix64: secrets from the key. */
static uint64_t secret(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

#define LANES 4
#define STRIDE (LANES * 2 * sizeof(uint64_t))

/* Four chains at once, since a multiplication takes longer than it occupies the
 * unit. Which inputs would cancel each other depends on the secrets. */
uint64_t gos__blame_print(uint64_t key, const void *bytes, size_t len)
{
    uint64_t secrets[2 * LANES], lane[LANES];
    const uint8_t *p = bytes;
    size_t left = len;
    for (unsigned i = 0; i < 2 * LANES; i++)
        secrets[i] = secret(&key);
    for (unsigned i = 0; i < LANES; i++)
        lane[i] = secret(&key);
    for (;;) {
        uint8_t tail[STRIDE] = {0};
        if (left < STRIDE) {
            if (!left)
                break;
            memcpy(tail, p, left);
            p = tail;
            left = STRIDE;
        }
        for (unsigned i = 0; i < LANES; i++) {
            uint64_t a = load64(p + 16 * i), b = load64(p + 16 * i + 8);
            lane[i] = fold(lane[i] ^ a ^ secrets[2 * i], b ^ secrets[2 * i + 1]) + a;
        }
        p += STRIDE;
        left -= STRIDE;
    }
    uint64_t h = len;
    for (unsigned i = 0; i < LANES; i++)
        h = fold(h ^ lane[i], secrets[2 * i] | 1) + lane[i];
    return fold(h ^ secrets[1], secrets[3] | 1);
}

/* ---- identities ---- */

static bool is_loopback(const struct address *a)
{
    static const uint8_t v6[16] = {[15] = 1};
    static const uint8_t v4[13] = {[10] = 0xff, 0xff, 127};
    return !memcmp(a->ip, v6, sizeof v6) || !memcmp(a->ip, v4, sizeof v4);
}

static bool is_mapped(const struct address *a)
{
    static const uint8_t prefix[12] = {[10] = 0xff, 0xff};
    return !memcmp(a->ip, prefix, sizeof prefix);
}

static struct address address_of(const struct sockaddr_storage *sa)
{
    struct address a = {0};
    uint16_t port = 0;
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        a.ip[10] = a.ip[11] = 0xff;
        memcpy(a.ip + 12, &in->sin_addr, 4);
        port = in->sin_port;
    } else if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
        memcpy(a.ip, &in6->sin6_addr, sizeof a.ip);
        if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr))
            a.scope = in6->sin6_scope_id;
        port = in6->sin6_port;
    }
    /* Elsewhere a liar would only have to come back from another port, or, over
     * IPv6, from another address of the /64 that is his. */
    if (is_loopback(&a))
        a.port = port;
    else if (sa->ss_family == AF_INET6 && !is_mapped(&a) && !a.scope)
        memset(a.ip + 8, 0, 8);
    return a;
}

static struct known **address_bucket(struct gos__blame *b, const struct address *a)
{
    return &b->by_address[gos__blame_print(b->key, a, sizeof *a) % b->n_buckets];
}

static void put_into_buckets(struct gos__blame *b, struct known *k)
{
    struct known **by_address = address_bucket(b, &k->address);
    struct known **by_who = &b->by_who[k->who % b->n_buckets];
    k->next_by_address = *by_address;
    *by_address = k;
    k->next_by_who = *by_who;
    *by_who = k;
}

/* Without memory the tables stay as they are: chains are longer then. */
static bool resize_buckets(struct gos__blame *b, size_t n)
{
    struct known **tables = gos__calloc(2 * n, sizeof(struct known *));
    if (!tables)
        return false;
    gos__free(b->by_address);
    b->by_address = tables;
    b->by_who = tables + n;
    b->n_buckets = n;
    for (struct gos__list *l = b->known.next; l != &b->known; l = l->next)
        put_into_buckets(b, GOS__LIST_OWNER(l, struct known, age));
    return true;
}

static struct known *find_who(const struct gos__blame *b, uint32_t who)
{
    struct known *k = b->by_who[who % b->n_buckets];
    while (k && k->who != who)
        k = k->next_by_who;
    return k;
}

static void forget(struct gos__blame *b, struct known *k)
{
    struct known **at = address_bucket(b, &k->address);
    while (*at != k)
        at = &(*at)->next_by_address;
    *at = k->next_by_address;
    at = &b->by_who[k->who % b->n_buckets];
    while (*at != k)
        at = &(*at)->next_by_who;
    *at = k->next_by_who;
    gos__list_remove(&k->age);
    gos__free(k);
    b->n_known--;
}

/* Somebody without guilt, else the oldest. The guilty that are met on the way
 * go to the end, so that they are not looked at each time. */
static void forget_one(struct gos__blame *b)
{
    struct known *k = NULL;
    for (size_t i = 0; i < b->n_known; i++) {
        k = GOS__LIST_OWNER(b->known.next, struct known, age);
        if (!k->banned)
            break;
        gos__list_remove(&k->age);
        gos__list_append(&b->known, &k->age);
        k = GOS__LIST_OWNER(b->known.next, struct known, age);
    }
    if (k)
        forget(b, k);
}

int64_t gos__blame_who(struct gos__blame *b, const struct sockaddr_storage *sa, bool outgoing)
{
    (void)outgoing; /* who called whom does not matter: off loopback no port counts */
    struct address a = address_of(sa);
    struct known *k = *address_bucket(b, &a);
    while (k && memcmp(&k->address, &a, sizeof a))
        k = k->next_by_address;
    if (k) {
        gos__list_remove(&k->age);
        gos__list_append(&b->known, &k->age);
        k->seen = gos__address_pack(sa);
        return k->who;
    }
    k = gos__calloc(1, sizeof *k);
    if (!k)
        return gos__error_nomem();
    if (b->n_known >= MAX_KNOWN)
        forget_one(b);
    k->address = a;
    k->seen = gos__address_pack(sa);
    k->who = b->next_who++;
    if (b->next_who == GOS__SCHED_NOBODY)
        b->next_who = 0; /* after 2^32 strangers; the first ones are long forgotten */
    put_into_buckets(b, k);
    gos__list_append(&b->known, &k->age);
    b->n_known++;
    if (b->n_known > b->n_buckets && b->n_buckets < MAX_BUCKETS)
        (void)resize_buckets(b, 2 * b->n_buckets);
    return k->who;
}

struct gos__endpoint gos__blame_seen(const struct gos__blame *b, uint32_t who)
{
    const struct known *k = find_who(b, who);
    return k ? k->seen : (struct gos__endpoint){0};
}

bool gos__blame_banned(const struct gos__blame *b, uint32_t who)
{
    const struct known *k = find_who(b, who);
    return k && k->banned;
}

void gos__blame_ban(struct gos__blame *b, uint32_t who)
{
    struct known *k = find_who(b, who);
    if (!k || k->banned)
        return;
    k->banned = true;
    b->bans++;
}

uint64_t gos__blame_bans(const struct gos__blame *b)
{
    return b->bans;
}

/* ---- copies ---- */

static void drop_copy(struct gos__blame *b, struct copy *c)
{
    b->n_copies--;
    b->n_blocks -= c->n;
    gos__list_remove(&c->age);
    gos__free(c);
}

static struct copy *copy_at(const struct gos__list *link)
{
    return GOS__LIST_OWNER(link, struct copy, age);
}

/* Puts `who` into the list unless it is there, or the list is full. */
static size_t put_once(uint32_t *list, size_t n, size_t max, uint32_t who)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == who)
            return n;
    }
    if (n < max)
        list[n++] = who;
    return n;
}

/* The one sender of all blocks, or GOS__SCHED_NOBODY. */
static uint32_t only_sender(const uint32_t *senders, size_t n)
{
    uint32_t only = GOS__SCHED_NOBODY;
    for (size_t i = 0; i < n; i++) {
        if (senders[i] == GOS__SCHED_NOBODY)
            continue;
        if (only != GOS__SCHED_NOBODY && senders[i] != only)
            return GOS__SCHED_NOBODY;
        only = senders[i];
    }
    return only;
}

static bool has_sender(const uint32_t *senders, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (senders[i] != GOS__SCHED_NOBODY)
            return true;
    }
    return false;
}

int gos__blame_failed(struct gos__blame *b, uint32_t piece, const uint64_t *prints,
                      const uint32_t *senders, size_t n, uint32_t *liars, size_t max)
{
    uint32_t only = only_sender(senders, n);
    if (only != GOS__SCHED_NOBODY)
        return (int)put_once(liars, 0, max, only);
    if (!has_sender(senders, n) || n > MAX_BLOCKS)
        return 0;
    while (b->n_copies >= MAX_COPIES || b->n_blocks + n > MAX_BLOCKS)
        drop_copy(b, copy_at(b->copies.next));
    struct copy *c = gos__malloc(sizeof *c + n * (sizeof *prints + sizeof *senders));
    if (!c)
        return gos__error_nomem();
    c->piece = piece;
    c->n = (uint32_t)n;
    c->prints = (uint64_t *)(c + 1);
    c->senders = (uint32_t *)(c->prints + n);
    memcpy(c->prints, prints, n * sizeof *prints);
    memcpy(c->senders, senders, n * sizeof *senders);
    gos__list_append(&b->copies, &c->age);
    b->n_copies++;
    b->n_blocks += n;
    return 0;
}

bool gos__blame_suspects(const struct gos__blame *b, uint32_t piece)
{
    for (const struct gos__list *l = b->copies.next; l != &b->copies; l = l->next) {
        if (copy_at(l)->piece == piece)
            return true;
    }
    return false;
}

size_t gos__blame_senders(const struct gos__blame *b, uint32_t piece, uint32_t *who, size_t max)
{
    size_t n = 0;
    for (const struct gos__list *l = b->copies.next; l != &b->copies; l = l->next) {
        const struct copy *c = copy_at(l);
        for (uint32_t i = 0; c->piece == piece && i < c->n; i++) {
            if (c->senders[i] != GOS__SCHED_NOBODY)
                n = put_once(who, n, max, c->senders[i]);
        }
    }
    return n;
}

int gos__blame_good(struct gos__blame *b, uint32_t piece, const uint64_t *prints, size_t n,
                    uint32_t *liars, size_t max)
{
    size_t n_liars = 0;
    for (struct gos__list *l = b->copies.next, *next; l != &b->copies; l = next) {
        struct copy *c = copy_at(l);
        next = l->next;
        if (c->piece != piece)
            continue;
        for (size_t i = 0; i < n && i < c->n; i++) {
            if (c->prints[i] != prints[i] && c->senders[i] != GOS__SCHED_NOBODY)
                n_liars = put_once(liars, n_liars, max, c->senders[i]);
        }
        drop_copy(b, c);
    }
    return (int)n_liars;
}

/* ---- life ---- */

int gos__blame_new(struct gos__blame **out)
{
    struct gos__blame *b = gos__calloc(1, sizeof *b);
    if (!b)
        return gos__error_nomem();
    /* At boot there may be no entropy yet: then an address will have to do. */
    if (getrandom(&b->key, sizeof b->key, GRND_NONBLOCK) != (ssize_t)sizeof b->key)
        b->key = (uint64_t)(uintptr_t)b;
    gos__list_init(&b->known);
    gos__list_init(&b->copies);
    if (!resize_buckets(b, FIRST_BUCKETS)) {
        gos__free(b);
        return gos__error_nomem();
    }
    *out = b;
    return 0;
}

void gos__blame_rest(struct gos__blame *b)
{
    size_t guilty = 0;
    while (b->n_copies)
        drop_copy(b, copy_at(b->copies.next));
    for (struct gos__list *l = b->known.prev, *before; l != &b->known; l = before) {
        struct known *k = GOS__LIST_OWNER(l, struct known, age);
        before = l->prev;
        if (!k->banned || ++guilty > MAX_AT_REST)
            forget(b, k);
    }
    if (b->n_buckets > FIRST_BUCKETS)
        (void)resize_buckets(b, FIRST_BUCKETS);
}

void gos__blame_free(struct gos__blame *b)
{
    if (!b)
        return;
    while (b->n_known)
        forget(b, GOS__LIST_OWNER(b->known.next, struct known, age));
    while (b->n_copies)
        drop_copy(b, copy_at(b->copies.next));
    gos__free(b->by_address);
    gos__free(b);
}
