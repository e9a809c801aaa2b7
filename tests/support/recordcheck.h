/* SPDX-License-Identifier: MIT
 *
 * Numbered records in a chunked HTTP body: whether they come whole and in order,
 * how many are missing, how old they are. Pure but for the time that is given. */
#ifndef TESTS_SUPPORT_RECORDCHECK_H
#define TESTS_SUPPORT_RECORDCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_MIN 32
#define RECORD_TRAILERS 8192

/* Where the next byte of the body belongs. */
enum record_place {
    RECORD_SIZE_LINE,
    RECORD_DATA,
    RECORD_DATA_END, /* the line end behind a chunk */
    RECORD_TRAILER_LINES,
    RECORD_OVER,
};

struct recordcheck {
    size_t size; /* of a record */
    int64_t *ages;
    size_t n_ages, max_ages; /* of later records the age is not noted */
    uint64_t bytes;          /* of records, without HTTP's own */
    uint64_t records;        /* whole ones */
    uint64_t missing;        /* numbers that were left out */
    uint64_t broken;         /* that begin and do not end: bytes were lost inside */
    uint64_t skipped;        /* bytes until the next begin */
    uint64_t disorder;       /* numbers that came again or too late */
    bool bad_http;
    /* inside */
    enum record_place place;
    char line[32];
    size_t line_len;
    uint64_t chunk_left;
    uint64_t next;
    size_t at; /* in the record */
    unsigned char head[24], tail[8];
    char trailers[RECORD_TRAILERS];
    size_t trailers_len;
};

/* Write the numbers of a record of `size` bytes; the rest of it is left alone. */
void record_stamp(void *record, size_t size, uint64_t number, int64_t now_ns);

/* `max_ages` of 0: ages are not noted. */
void recordcheck_init(struct recordcheck *c, size_t size, size_t max_ages);
void recordcheck_finish(struct recordcheck *c);

/* Bytes behind the head of the reply, received at `now_ns`. */
void recordcheck_feed(struct recordcheck *c, const char *data, size_t len, int64_t now_ns);

/* Bytes of records with a few others between them, of whatever protocol. */
void recordcheck_feed_raw(struct recordcheck *c, const char *data, size_t len, int64_t now_ns);

/* The number in a trailer line, "Name: 12"; -1: there is none. `text` is any text
 * that has the lines in it. */
int64_t record_trailer(const char *text, const char *name);

#endif
