/* SPDX-License-Identifier: MIT
 *
 * The seeder's side of the wire. All of it runs in the thread of its owner. */
#include "support/seed_peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <endian.h>
#include <sys/socket.h>

#include "support/data.h"

enum {
    UNCHOKE = 1,
    BITFIELD = 5,
    REQUEST = 6,
    PIECE = 7,
    CANCEL = 8,
    HAVE_ALL = 14,
    REJECT = 16,
    EXTENDED = 20,

    GREETING = 68,
    OUR_METADATA_ID = 1, /* what we ask to be sent metadata requests under */
    METADATA_PART = 16 * 1024,
    MAX_BLOCK = 128 * 1024,
    MAX_MESSAGE = 1 << 20,  /* bitfields are the longest that is taken */
    QUEUE = 2048,           /* requests kept for a peer, and the `reqq` it is told */
    OUT_ROOM = 4 << 20,     /* metadata may be asked for all at once */
    OUT_ENOUGH = 256 * 1024 /* no further block is made above this */
};

static uint32_t get32(const unsigned char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static void put32(unsigned char *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
}

/* ---- sending ---- */

/* Room for `len` bytes at the end of what waits to be sent; NULL: the peer lets
 * pile up what it asks for, and is given up. */
static unsigned char *append(struct seed_peer *p, size_t len)
{
    if (p->out_at > 0 && p->out_len + len > OUT_ROOM) {
        memmove(p->out, p->out + p->out_at, p->out_len - p->out_at);
        p->out_len -= p->out_at;
        p->out_at = 0;
    }
    if (p->out_len + len > OUT_ROOM) {
        p->gone = true;
        return NULL;
    }
    p->out_len += len;
    return p->out + p->out_len - len;
}

static unsigned char *say(struct seed_peer *p, int id, size_t len)
{
    unsigned char *m = append(p, 5 + len);

    if (!m)
        return NULL;
    put32(m, (uint32_t)(1 + len));
    m[4] = (unsigned char)id;
    return m + 5;
}

static void reject(struct seed_peer *p, const struct seed_request *r)
{
    unsigned char *m = p->fast ? say(p, REJECT, 12) : NULL;

    if (!m)
        return;
    put32(m, r->piece);
    put32(m + 4, r->begin);
    put32(m + 8, r->length);
}

static void send_block(struct seed_peer *p, const struct seed_request *r)
{
    struct seed *s = p->seed;
    unsigned char *m = say(p, PIECE, 8 + (size_t)r->length);

    if (!m)
        return;
    put32(m, r->piece);
    put32(m + 4, r->begin);
    data_fill(m + 8, r->length, s->t.seed, (uint64_t)r->piece * s->t.piece_length + r->begin);
    s->uploaded += r->length;
    s->allowance -= r->length;
}

/* Ten milliseconds of the rate can be saved up, so that a pause is not made up for. */
void seed_earn(struct seed *s, int64_t now_ns)
{
    int64_t most = (int64_t)(s->rate / 100);
    int64_t earned = (int64_t)((double)(now_ns - s->counted_ns) * 1e-9 * (double)s->rate);

    if (earned == 0)
        return;
    s->counted_ns = now_ns;
    s->allowance = s->allowance + earned < most ? s->allowance + earned : most;
}

static bool may_send(const struct seed *s)
{
    return s->rate == 0 || s->allowance > 0;
}

static void flush(struct seed_peer *p)
{
    while (p->out_at < p->out_len && !p->gone) {
        ssize_t n = send(p->fd, p->out + p->out_at, p->out_len - p->out_at, MSG_NOSIGNAL);
        if (n < 0) {
            p->gone = errno != EAGAIN && errno != EINTR;
            break;
        }
        p->out_at += (size_t)n;
    }
    if (p->out_at == p->out_len)
        p->out_at = p->out_len = 0;
    p->wants_out = p->out_at < p->out_len;
}

void seed_peer_serve(struct seed_peer *p)
{
    flush(p);
    while (p->n_queued > 0 && !p->gone && !p->wants_out && may_send(p->seed)) {
        while (p->n_queued > 0 && p->out_len - p->out_at < OUT_ENOUGH && may_send(p->seed)) {
            send_block(p, &p->queue[p->first]);
            p->first = (p->first + 1) % QUEUE;
            p->n_queued--;
        }
        flush(p);
    }
}

/* ---- receiving ---- */

static void greet(struct seed_peer *p, const unsigned char *theirs)
{
    static const unsigned char ours[28] = "\x13"
                                          "BitTorrent protocol\0\0\0\0\0\x10\0\x04";
    char hello[160];

    if (memcmp(theirs, ours, 20) != 0 || memcmp(theirs + 28, p->seed->t.hash, 20) != 0) {
        p->gone = true;
        return;
    }
    p->greeted = true;
    p->fast = theirs[27] & 4;
    unsigned char *m = append(p, GREETING);
    memcpy(m, ours, 28);
    memcpy(m + 28, p->seed->t.hash, 20);
    snprintf((char *)m + 48, 21, "-VS0001-%012d", (int)getpid());
    int n = snprintf(hello, sizeof hello,
                     "d1:md11:ut_metadatai%de"
                     "e13:metadata_sizei%zue4:reqqi%dee",
                     OUR_METADATA_ID, p->seed->t.info_len, QUEUE);
    if ((theirs[25] & 0x10) && (m = say(p, EXTENDED, 1 + (size_t)n))) {
        m[0] = 0;
        memcpy(m + 1, hello, (size_t)n);
    }
    size_t bytes = (p->seed->t.n_pieces + 7) / 8;
    if (p->fast) {
        say(p, HAVE_ALL, 0);
    } else if ((m = say(p, BITFIELD, bytes))) {
        memset(m, 0xff, bytes);
        if (p->seed->t.n_pieces % 8)
            m[bytes - 1] = (unsigned char)(0xff << (8 - p->seed->t.n_pieces % 8));
    }
    say(p, UNCHOKE, 0);
}

/* The number after `key` in a bencoded text; -1: none. */
static int number_after(const unsigned char *text, size_t len, const char *key)
{
    const char *at = memmem(text, len, key, strlen(key));

    return at ? atoi(at + strlen(key)) : -1; /* a zero follows each message */
}

static void extended(struct seed_peer *p, const unsigned char *m, size_t len)
{
    char head[96];

    if (len < 1)
        return;
    if (m[0] == 0) {
        p->metadata_id = number_after(m + 1, len - 1, "11:ut_metadatai");
        return;
    }
    int part = number_after(m + 1, len - 1, "5:piecei");
    if (m[0] != OUR_METADATA_ID || p->metadata_id < 1 || part < 0 ||
        number_after(m + 1, len - 1, "8:msg_typei") != 0 ||
        (size_t)part * METADATA_PART >= p->seed->t.info_len)
        return;
    size_t from = (size_t)part * METADATA_PART;
    size_t n = p->seed->t.info_len - from < METADATA_PART ? p->seed->t.info_len - from
                                                          : METADATA_PART;
    int head_len = snprintf(head, sizeof head, "d8:msg_typei1e5:piecei%de10:total_sizei%zuee", part,
                            p->seed->t.info_len);
    unsigned char *out = say(p, EXTENDED, 1 + (size_t)head_len + n);
    if (!out)
        return;
    out[0] = (unsigned char)p->metadata_id;
    memcpy(out + 1, head, (size_t)head_len);
    memcpy(out + 1 + head_len, p->seed->t.info + from, n);
}

static void requested(struct seed_peer *p, const struct seed_request *r)
{
    if (r->piece >= p->seed->t.n_pieces || r->length > MAX_BLOCK ||
        (uint64_t)r->begin + r->length > virtual_torrent_piece_size(&p->seed->t, r->piece)) {
        p->gone = true;
        return;
    }
    if (p->n_queued == QUEUE) {
        reject(p, r);
        return;
    }
    p->queue[(p->first + p->n_queued++) % QUEUE] = *r;
}

static void cancelled(struct seed_peer *p, const struct seed_request *r)
{
    for (unsigned i = 0; i < p->n_queued; i++) {
        if (memcmp(&p->queue[(p->first + i) % QUEUE], r, sizeof *r) != 0)
            continue;
        for (unsigned j = i; j + 1 < p->n_queued; j++)
            p->queue[(p->first + j) % QUEUE] = p->queue[(p->first + j + 1) % QUEUE];
        p->n_queued--;
        reject(p, r);
        return;
    }
}

static void message(struct seed_peer *p, unsigned char *m, size_t len)
{
    struct seed_request r = {0};

    if (len >= 13)
        r = (struct seed_request){get32(m + 1), get32(m + 5), get32(m + 9)};
    if (m[0] == REQUEST && len == 13)
        requested(p, &r);
    else if (m[0] == CANCEL && len == 13)
        cancelled(p, &r);
    else if (m[0] == EXTENDED)
        extended(p, m + 1, len - 1);
}

/* Take what is whole of what has come; returns how many bytes that was. */
static size_t take(struct seed_peer *p)
{
    size_t at = 0;

    if (!p->greeted) {
        /* Encrypted greetings are not understood: who sends one tries again without. */
        if (p->in_len >= 20 && memcmp(p->in,
                                      "\x13"
                                      "BitTorrent protocol",
                                      20) != 0)
            p->gone = true;
        if (p->in_len < GREETING || p->gone)
            return 0;
        greet(p, p->in);
        at = GREETING;
    }
    while (p->in_len - at >= 4 && !p->gone) {
        size_t len = get32(p->in + at);
        if (len > MAX_MESSAGE) {
            p->gone = true;
            break;
        }
        if (p->in_len - at < 4 + len)
            break;
        unsigned char after = p->in[at + 4 + len];
        p->in[at + 4 + len] = 0; /* there is a byte of room behind the last */
        if (len > 0)
            message(p, p->in + at + 4, len);
        p->in[at + 4 + len] = after;
        at += 4 + len;
    }
    return at;
}

void seed_peer_receive(struct seed_peer *p)
{
    for (;;) {
        ssize_t n = recv(p->fd, p->in + p->in_len, 4 + MAX_MESSAGE - p->in_len, 0);
        if (n <= 0) {
            p->gone |= n == 0 || (errno != EAGAIN && errno != EINTR);
            return;
        }
        p->in_len += (size_t)n;
        size_t used = take(p);
        if (p->gone)
            return;
        p->in_len -= used;
        memmove(p->in, p->in + used, p->in_len);
    }
}

void seed_peer_keep_alive(struct seed_peer *p)
{
    unsigned char *m = p->greeted ? append(p, 4) : NULL;

    if (m)
        put32(m, 0);
}

/* ---- life ---- */

struct seed_peer *seed_peer_new(struct seed *seed, int fd)
{
    struct seed_peer *p = calloc(1, sizeof *p);

    if (!p) {
        close(fd);
        return NULL;
    }
    p->seed = seed;
    p->fd = fd;
    p->in = malloc(4 + MAX_MESSAGE + 1);
    p->out = malloc(OUT_ROOM);
    p->queue = calloc(QUEUE, sizeof *p->queue);
    if (!p->in || !p->out || !p->queue) {
        seed_peer_free(p);
        return NULL;
    }
    return p;
}

void seed_peer_free(struct seed_peer *p)
{
    close(p->fd);
    free(p->in);
    free(p->out);
    free(p->queue);
    free(p);
}
