/* SPDX-License-Identifier: MIT
 *
 * Percent-encoding, queries, and names in a tree; see url.h. Pure, any thread. */
#include "http/url.h"

#include <string.h>

#include "http/number.h"

ptrdiff_t http_url_decode(char *text, size_t len, bool plus)
{
    size_t out = 0;
    for (size_t in = 0; in < len; in++) {
        char c = text[in];
        if (c == '%') {
            int high = in + 2 < len ? http_digit(text[in + 1]) : -1;
            int low = high >= 0 ? http_digit(text[in + 2]) : -1;
            if (low < 0)
                return -1;
            c = (char)(high << 4 | low);
            in += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        text[out++] = c;
    }
    return (ptrdiff_t)out;
}

/* One "key=value" at text[begin, end), where text[end] may be overwritten. */
static int add_pair(struct http_query *q, char *text, size_t begin, size_t end)
{
    char *equals = memchr(text + begin, '=', end - begin);
    size_t key_end = equals ? (size_t)(equals - text) : end;
    size_t value = equals ? key_end + 1 : end;
    ptrdiff_t key_len = http_url_decode(text + begin, key_end - begin, true);
    ptrdiff_t value_len = http_url_decode(text + value, end - value, true);
    if (key_len < 0 || value_len < 0 || memchr(text + begin, '\0', (size_t)key_len) ||
        q->n == HTTP_QUERY_MAX)
        return -1;
    text[begin + (size_t)key_len] = '\0';
    text[value + (size_t)value_len] = '\0';
    q->pair[q->n].key = (uint16_t)begin;
    q->pair[q->n].value = (uint16_t)value;
    q->pair[q->n].value_len = (uint16_t)value_len;
    q->n++;
    return 0;
}

int http_query_parse(struct http_query *out, char *text, size_t len)
{
    out->n = 0;
    for (size_t begin = 0; begin < len;) {
        char *amp = memchr(text + begin, '&', len - begin);
        size_t end = amp ? (size_t)(amp - text) : len;
        if (end > begin && add_pair(out, text, begin, end) < 0)
            return -1;
        begin = end + 1;
    }
    return 0;
}
