/* SPDX-License-Identifier: MIT
 *
 * Streaming replies on the wire: payload that somebody else owns becomes a list of
 * pieces to send, with chunk sizes between them; when only a part of the list could
 * be sent, this remembers the little that follows from it (the rest of a size line,
 * how many bytes the chunk still needs) and nothing else, so that an idle stream
 * holds no buffer. Pure. */
#ifndef CLI_HTTP_FRAMING_H
#define CLI_HTTP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define HTTP_CHUNK_MAX 65536
#define HTTP_BATCH_IOV 64
#define HTTP_BATCH_BYTES ((size_t)512 << 10)
#define HTTP_ZEROS_MAX 8

/* What one stream remembers. Zero is the start of a stream that is not chunked. */
struct http_framing {
    bool chunked;
    bool in_chunk; /* a size was sent, the CR LF behind its data was not */
    uint8_t zeros; /* leading zeros of the next size that were sent already */
    uint8_t n_pending;
    char pending[12]; /* framing that was begun and must be sent first */
    uint32_t left;    /* bytes that the open chunk still needs, after `pending` */
};

enum http_piece {
    HTTP_PIECE_PENDING,
    HTTP_PIECE_SIZE, /* the size line of a chunk, with the CR LF of the one before */
    HTTP_PIECE_DATA,
    HTTP_PIECE_CLOSE, /* the CR LF behind the last data of the batch */
    HTTP_PIECE_LAST,  /* the last chunk, trailers, empty line */
};

/* The most pieces of a batch: each iovec once, cut at each chunk's end, a size line
 * for each chunk, and one of each other kind. */
#define HTTP_CHUNKS_MAX (HTTP_BATCH_BYTES / HTTP_CHUNK_MAX + 2)
#define HTTP_PIECES_MAX (HTTP_BATCH_IOV + 2 * HTTP_CHUNKS_MAX + 3)

/* A batch ready to be sent; big, one per thread is enough. */
struct http_frames {
    struct iovec iov[HTTP_PIECES_MAX];
    uint8_t kind[HTTP_PIECES_MAX];  /* enum http_piece */
    uint32_t size[HTTP_PIECES_MAX]; /* of the chunk that a size line begins */
    unsigned n;
    size_t bytes, payload;
    bool complete;   /* all payload that was offered is in it, and the end if there is one */
    bool too_little; /* the end, but the peer was promised more: it cannot be told rightly */
    char sizes[HTTP_CHUNKS_MAX][12];
    unsigned n_sizes;
    char last[4096];
};

/* Lay out at most HTTP_BATCH_BYTES of the payload. `end`: it is the last, after
 * which come `trailers` ("" or NULL: none; those that do not fit are left out). */
void http_framing_build(const struct http_framing *f, const struct iovec *iov, unsigned n, bool end,
                        const char *trailers, struct http_frames *out);

/* The first `sent` bytes of the batch were sent. Returns how many of them were
 * payload. */
size_t http_framing_settle(struct http_framing *f, const struct http_frames *frames, size_t sent);

/* Whether a zero may be sent now that belongs to the size of the next chunk. */
bool http_framing_may_pad(const struct http_framing *f);

#endif
