/* SPDX-License-Identifier: MIT
 *
 * Metadata written by hand; see text.h. */
#include "text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void text_put(struct text *t, const void *bytes, size_t n)
{
    if (t->len + n > t->room) {
        t->room = (t->len + n) * 2;
        t->bytes = realloc(t->bytes, t->room);
        assert_non_null(t->bytes);
    }
    memcpy(t->bytes + t->len, bytes, n);
    t->len += n;
}

void text_raw(struct text *t, const char *s)
{
    text_put(t, s, strlen(s));
}

void text_bytes(struct text *t, const void *s, size_t n)
{
    char head[24];
    text_put(t, head, (size_t)snprintf(head, sizeof head, "%zu:", n));
    text_put(t, s, n);
}

void text_string(struct text *t, const char *s)
{
    text_bytes(t, s, strlen(s));
}

void text_number(struct text *t, int64_t n)
{
    char s[24];
    text_put(t, s, (size_t)snprintf(s, sizeof s, "i%llde", (long long)n));
}

void text_hashes(struct text *t, size_t n)
{
    char *zeros = calloc(n + 1, 20);
    text_bytes(t, zeros, n * 20);
    free(zeros);
}

struct text text_v1(const struct v1 *v)
{
    struct text t = {0};
    text_raw(&t, "d8:announce19:http://127.0.0.1:1/13:creation datei1700000000e4:infod");
    if (v->files) {
        text_raw(&t, "5:files");
        text_raw(&t, v->files);
    } else {
        text_raw(&t, "6:length");
        text_number(&t, v->size);
    }
    text_raw(&t, "4:name");
    text_string(&t, v->name);
    text_raw(&t, "12:piece length");
    text_number(&t, v->piece_length);
    text_raw(&t, "6:pieces");
    text_hashes(&t, v->n_hashes);
    text_raw(&t, "ee");
    return t;
}

void text_refused(struct text t, const char *why)
{
    struct ltc_error err = {"nothing said"};
    ltc_info *info = NULL;
    int rc = ltc_info_parse(&info, t.bytes, t.len, &err);
    if (rc == 0)
        ltc_info_unref(info);
    if (rc != -EBADMSG || !strstr(err.text, why))
        fail_msg("%d \"%s\" where \"%s\" was expected", rc, err.text, why);
    free(t.bytes);
}

ltc_info *text_read(struct text t)
{
    struct ltc_error err = {"nothing said"};
    ltc_info *info = NULL;
    if (ltc_info_parse(&info, t.bytes, t.len, &err) != 0)
        fail_msg("%s", err.text);
    free(t.bytes);
    return info;
}

struct text text_of(const char *s)
{
    struct text t = {0};
    text_raw(&t, s);
    return t;
}

/* v2, one file of 5 bytes, or longer than a piece and then without layers. */
struct text text_v2(int64_t size, int64_t piece_length)
{
    struct text t = {0};
    text_raw(&t, "d4:infod9:file treed5:a.mkvd0:d6:length");
    text_number(&t, size);
    text_raw(&t, "11:pieces root");
    text_bytes(&t, "0123456789abcdef0123456789abcdef", 32);
    text_raw(&t, "eee12:meta versioni2e4:name5:a.mkv12:piece length");
    text_number(&t, piece_length);
    text_raw(&t, "ee");
    return t;
}
