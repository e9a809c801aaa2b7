/* SPDX-License-Identifier: MIT
 *
 * Taking a chunked request body apart; see chunked.h. Pure, any thread. */
#include "http/chunked.h"

#include "http/head.h"
#include "http/number.h"

#define SIZE_DIGITS_MAX 16
#define SIZE_LINE_MAX 256
#define TRAILERS_MAX 16384

enum {
    SIZE,          /* hex digits */
    EXTENSION,     /* after ';' */
    SIZE_LF,       /* after the CR of the size line */
    DATA,          /* `left` bytes */
    DATA_CR,       /* after the data */
    DATA_LF,       /* */
    TRAILER_BEGIN, /* at the beginning of a line after the last chunk */
    TRAILER,       /* within one */
    TRAILER_LF,    /* after its CR */
    END_LF,        /* after the CR of the empty line */
    DONE,
};

static bool is_text(char c)
{
    return c == '\t' || ((unsigned char)c >= ' ' && c != 127);
}

static const char *size_byte(struct http_chunked *c, char byte)
{
    int digit = http_digit(byte);
    if (digit >= 0) {
        if (++c->digits > SIZE_DIGITS_MAX || c->left > (uint64_t)(INT64_MAX - digit) / 16)
            return "chunk size too large";
        c->left = c->left * 16 + (unsigned)digit;
        return NULL;
    }
    if (!c->digits || (byte != '\r' && byte != ';'))
        return "bad chunk size";
    c->state = byte == ';' ? EXTENSION : SIZE_LF;
    return NULL;
}

static const char *extension_byte(struct http_chunked *c, char byte)
{
    if (byte == '\r')
        c->state = SIZE_LF;
    else if (!is_text(byte))
        return "bad byte in a chunk extension";
    else if (c->line > SIZE_LINE_MAX)
        return "chunk extension too long";
    return NULL;
}

static const char *trailer_byte(struct http_chunked *c, char byte)
{
    if (c->line > TRAILERS_MAX)
        return "trailers too long";
    if (c->state == TRAILER_BEGIN) {
        if (byte != '\r' && !http_is_token_char(byte))
            return "bad trailer";
        c->state = byte == '\r' ? END_LF : TRAILER;
    } else if (byte == '\r') {
        c->state = TRAILER_LF;
    } else if (!is_text(byte)) {
        return "bad byte in a trailer";
    }
    return NULL;
}

/* A byte that must be `want`, after which comes `next`. */
static const char *expect(struct http_chunked *c, char byte, char want, uint8_t next)
{
    c->state = next;
    return byte == want ? NULL : "line of a chunk not ended by CR LF";
}

static const char *framing_byte(struct http_chunked *c, char byte)
{
    if (c->line < UINT16_MAX)
        c->line++;
    switch (c->state) {
    case SIZE:
        return size_byte(c, byte);
    case EXTENSION:
        return extension_byte(c, byte);
    case SIZE_LF:
        c->line = 0;
        return expect(c, byte, '\n', c->left ? DATA : TRAILER_BEGIN);
    case DATA_CR:
        return expect(c, byte, '\r', DATA_LF);
    case DATA_LF:
        c->line = c->digits = 0;
        return expect(c, byte, '\n', SIZE);
    case TRAILER_LF:
        return expect(c, byte, '\n', TRAILER_BEGIN);
    case END_LF:
        return expect(c, byte, '\n', DONE);
    default:
        return trailer_byte(c, byte);
    }
}

enum http_chunked_found http_chunked_next(struct http_chunked *c, const char *in, size_t len,
                                          struct http_chunked_step *out)
{
    *out = (struct http_chunked_step){0};
    while (out->used < len && c->state != DATA && c->state != DONE) {
        out->why = framing_byte(c, in[out->used++]);
        if (out->why)
            return HTTP_CHUNKED_BAD;
    }
    if (c->state == DONE)
        return HTTP_CHUNKED_DONE;
    if (out->used == len)
        return HTTP_CHUNKED_MORE;
    out->data = in + out->used;
    out->len = c->left < len - out->used ? (size_t)c->left : len - out->used;
    out->used += out->len;
    c->left -= out->len;
    if (!c->left) {
        out->chunk_end = true;
        c->state = DATA_CR;
    }
    return HTTP_CHUNKED_DATA;
}

void http_chunked_unread(struct http_chunked *c, size_t len)
{
    if (!len)
        return;
    c->left += len;
    c->state = DATA;
}
