/* SPDX-License-Identifier: MIT
 *
 * Streaming replies on the wire; see framing.h. Pure, any thread. */
#include "http/framing.h"

#include <stdio.h>
#include <string.h>

static void add(struct http_frames *out, enum http_piece kind, const void *data, size_t len)
{
    out->iov[out->n] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    out->kind[out->n] = (uint8_t)kind;
    out->n++;
    out->bytes += len;
}

static void add_size_line(struct http_frames *out, bool after_chunk, size_t size)
{
    char *text = out->sizes[out->n_sizes++];
    int len = snprintf(text, sizeof *out->sizes, "%s%zx\r\n", after_chunk ? "\r\n" : "", size);
    out->size[out->n] = (uint32_t)size;
    add(out, HTTP_PIECE_SIZE, text, (size_t)len);
}

/* Payload as it is laid out: which byte is next. */
struct cursor {
    const struct iovec *iov;
    unsigned n;
    size_t off; /* in iov[0] */
};

/* `len` bytes from the cursor on, which has as many. */
static void add_data(struct http_frames *out, struct cursor *c, size_t len)
{
    out->payload += len;
    while (len) {
        size_t take = c->iov->iov_len - c->off;
        if (take > len)
            take = len;
        if (take)
            add(out, HTTP_PIECE_DATA, (const char *)c->iov->iov_base + c->off, take);
        len -= take;
        c->off += take;
        if (c->off == c->iov->iov_len) {
            c->iov++;
            c->n--;
            c->off = 0;
        }
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* All chunks of `left` bytes of payload. The chunk before them is open, without
 * need of data, if `open`. Returns whether one is open after them. */
static bool add_chunks(struct http_frames *out, struct cursor *c, size_t left, bool open)
{
    while (left) {
        size_t size = smaller(left, HTTP_CHUNK_MAX);
        add_size_line(out, open, size);
        add_data(out, c, size);
        left -= size;
        open = true;
    }
    return open;
}

static void add_last(struct http_frames *out, bool open, const char *trailers)
{
    const char *before = open ? "\r\n0\r\n" : "0\r\n";
    if (!trailers || strlen(trailers) + 8 > sizeof out->last)
        trailers = "";
    int len = snprintf(out->last, sizeof out->last, "%s%s\r\n", before, trailers);
    add(out, HTTP_PIECE_LAST, out->last, (size_t)len);
}

void http_framing_build(const struct http_framing *f, const struct iovec *iov, unsigned n, bool end,
                        const char *trailers, struct http_frames *out)
{
    size_t offered = 0;
    for (unsigned i = 0; i < n; i++)
        offered += iov[i].iov_len;
    size_t left = smaller(offered, HTTP_BATCH_BYTES);
    struct cursor c = {.iov = iov, .n = n};
    out->n = out->n_sizes = 0;
    out->bytes = out->payload = 0;
    out->complete = left == offered;
    out->too_little = false;
    if (!f->chunked) {
        add_data(out, &c, left);
        return;
    }
    if (f->n_pending)
        add(out, HTTP_PIECE_PENDING, f->pending, f->n_pending);
    bool open = f->in_chunk;
    if (open && f->left) {
        size_t first = smaller(left, f->left);
        add_data(out, &c, first);
        left -= first;
        if (first < f->left) {
            out->too_little = end;
            out->complete = !end;
            return;
        }
    }
    open = add_chunks(out, &c, left, open);
    if (end && out->complete)
        add_last(out, open, trailers);
    else if (open)
        add(out, HTTP_PIECE_CLOSE, "\r\n", 2);
}

/* Framing of which `sent` bytes went out: the rest must be the next. */
static void keep_rest(struct http_framing *f, const struct iovec *iov, size_t sent)
{
    f->n_pending = (uint8_t)(iov->iov_len - sent);
    memmove(f->pending, (const char *)iov->iov_base + sent, f->n_pending);
}

static void settle_framing(struct http_framing *f, const struct http_frames *frames, unsigned i,
                           size_t sent)
{
    if (!sent)
        return;
    switch ((enum http_piece)frames->kind[i]) {
    case HTTP_PIECE_SIZE:
        f->in_chunk = true;
        f->left = frames->size[i];
        f->zeros = 0;
        keep_rest(f, &frames->iov[i], sent);
        break;
    case HTTP_PIECE_CLOSE:
        f->in_chunk = false;
        keep_rest(f, &frames->iov[i], sent);
        break;
    case HTTP_PIECE_PENDING:
        keep_rest(f, &frames->iov[i], sent);
        break;
    default:
        break; /* the last: whoever sends it keeps what is left of it */
    }
}

size_t http_framing_settle(struct http_framing *f, const struct http_frames *frames, size_t sent)
{
    size_t payload = 0;
    for (unsigned i = 0; i < frames->n && sent; i++) {
        size_t n = smaller(frames->iov[i].iov_len, sent);
        sent -= n;
        if (frames->kind[i] != HTTP_PIECE_DATA) {
            settle_framing(f, frames, i, n);
            continue;
        }
        payload += n;
        if (f->chunked)
            f->left -= (uint32_t)n;
    }
    return payload;
}

bool http_framing_may_pad(const struct http_framing *f)
{
    return f->chunked && !f->in_chunk && !f->n_pending && f->zeros < HTTP_ZEROS_MAX;
}
