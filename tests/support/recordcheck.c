/* SPDX-License-Identifier: MIT
 *
 * Checking numbered records; see recordcheck.h. A record is a word that marks its
 * begin, its number, the time when it was sent, and its number again at its end.
 * When bytes were lost, what follows is looked through for the next begin. Any
 * one thread. */
#include "support/recordcheck.h"

#include <stdlib.h>
#include <string.h>

#include "support/loadwire.h"

static const char mark[8] = {'\x01', 'r', 'e', 'c', 'o', 'r', 'd', '\x02'};

void record_stamp(void *record, size_t size, uint64_t number, int64_t now_ns)
{
    char *r = record;
    memcpy(r, mark, 8);
    memcpy(r + 8, &number, 8);
    memcpy(r + 16, &now_ns, 8);
    memcpy(r + size - 8, &number, 8);
}

void recordcheck_init(struct recordcheck *c, size_t size, size_t max_ages)
{
    *c = (struct recordcheck){.size = size, .max_ages = max_ages};
    if (max_ages && !(c->ages = malloc(max_ages * sizeof *c->ages)))
        load_die("out of memory");
}

void recordcheck_finish(struct recordcheck *c)
{
    free(c->ages);
    c->ages = NULL;
}

static void judge(struct recordcheck *c)
{
    uint64_t number, again;
    memcpy(&number, c->head + 8, 8);
    memcpy(&again, c->tail, 8);
    c->at = 0;
    if (number != again) {
        c->broken++;
        return;
    }
    c->records++;
    if (number < c->next)
        c->disorder++;
    else
        c->missing += number - c->next;
    c->next = number + 1;
}

static void note_age(struct recordcheck *c, int64_t now_ns)
{
    int64_t sent;
    memcpy(&sent, c->head + 16, 8);
    if (c->n_ages < c->max_ages)
        c->ages[c->n_ages++] = now_ns - sent;
}

static void head_byte(struct recordcheck *c, unsigned char byte, int64_t now_ns)
{
    c->head[c->at++] = byte;
    if (c->at <= sizeof mark && byte != (unsigned char)mark[c->at - 1]) {
        /* Not a begin, but it may be the first byte of one. */
        c->head[0] = byte;
        c->at = byte == (unsigned char)mark[0];
        c->skipped++;
        return;
    }
    if (c->at == sizeof c->head)
        note_age(c, now_ns);
}

static void record_bytes(struct recordcheck *c, const unsigned char *data, size_t len,
                         int64_t now_ns)
{
    size_t tail_at = c->size - sizeof c->tail;
    c->bytes += len;
    while (len) {
        size_t n = 1;
        if (c->at < sizeof c->head) {
            head_byte(c, *data, now_ns);
        } else if (c->at < tail_at) {
            n = tail_at - c->at < len ? tail_at - c->at : len;
            c->at += n;
        } else {
            c->tail[c->at++ - tail_at] = *data;
            if (c->at == c->size)
                judge(c);
        }
        data += n;
        len -= n;
    }
}

static void size_line(struct recordcheck *c)
{
    char *end;
    c->line[c->line_len] = '\0';
    c->chunk_left = strtoull(c->line, &end, 16);
    c->bad_http = c->bad_http || end == c->line;
    c->line_len = 0;
    c->place = c->chunk_left ? RECORD_DATA : RECORD_TRAILER_LINES;
}

/* A byte that is no record's. */
static void http_byte(struct recordcheck *c, char byte)
{
    switch (c->place) {
    case RECORD_SIZE_LINE:
        if (byte == '\n')
            size_line(c);
        else if (byte != '\r' && c->line_len + 1 < sizeof c->line)
            c->line[c->line_len++] = byte;
        break;
    case RECORD_DATA_END:
        c->bad_http = c->bad_http || (byte != '\r' && byte != '\n');
        if (byte == '\n')
            c->place = RECORD_SIZE_LINE;
        break;
    case RECORD_TRAILER_LINES:
        if (c->trailers_len + 1 < sizeof c->trailers)
            c->trailers[c->trailers_len++] = byte;
        c->trailers[c->trailers_len] = '\0';
        if (strcmp(c->trailers, "\r\n") == 0 || strstr(c->trailers, "\r\n\r\n"))
            c->place = RECORD_OVER;
        break;
    default:
        c->bad_http = true;
    }
}

void recordcheck_feed(struct recordcheck *c, const char *data, size_t len, int64_t now_ns)
{
    while (len) {
        if (c->place != RECORD_DATA) {
            http_byte(c, *data++);
            len--;
            continue;
        }
        size_t n = len < c->chunk_left ? len : (size_t)c->chunk_left;
        record_bytes(c, (const unsigned char *)data, n, now_ns);
        data += n;
        len -= n;
        c->chunk_left -= n;
        if (!c->chunk_left)
            c->place = RECORD_DATA_END;
    }
}

void recordcheck_feed_raw(struct recordcheck *c, const char *data, size_t len, int64_t now_ns)
{
    record_bytes(c, (const unsigned char *)data, len, now_ns);
}

int64_t record_trailer(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = text; (at = strstr(at, name)); at += len)
        if (at[len] == ':' && (at == text || at[-1] == '\n'))
            return strtoll(at + len + 1, NULL, 10);
    return -1;
}
