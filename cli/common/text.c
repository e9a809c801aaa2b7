/* SPDX-License-Identifier: MIT
 *
 * Names made fit to be shown; see text.h. */
#include "common/text.h"

#include <stdbool.h>
#include <string.h>

#define ESCAPED_MAX 17 /* the longest form of one character: 4 bytes as \xNN, and NUL */

size_t text_decode(const char *text, unsigned *code)
{
    const unsigned char *p = (const unsigned char *)text;
    static const struct {
        unsigned char mask, lead;
        unsigned least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    if (!*p)
        return 0;
    for (size_t n = 0; n < 4; n++) {
        if ((*p & forms[n].mask) != forms[n].lead)
            continue;
        unsigned value = *p & (unsigned char)~forms[n].mask;
        for (size_t i = 1; i <= n; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (p[i] & 0x3fu);
        }
        if (value < forms[n].least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
            return 0;
        *code = value;
        return n + 1;
    }
    return 0;
}

/* Characters that change how the rest of a line is shown: controls of ASCII and
 * Latin 1, line and paragraph separators, marks of direction. */
static bool is_dangerous(unsigned c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* One character of `text` as it is shown; returns how many bytes it took. */
static size_t escape_one(char out[ESCAPED_MAX], const char *text)
{
    unsigned code = 0;
    size_t n = text_decode(text, &code);
    if (n && code == '\\') {
        memcpy(out, "\\\\", 3);
        return 1;
    }
    if (n && !is_dangerous(code)) {
        memcpy(out, text, n);
        out[n] = '\0';
        return n;
    }
    if (!n)
        n = 1;
    for (size_t i = 0; i < n; i++)
        snprintf(out + 4 * i, 5, "\\x%02x", (unsigned char)text[i]);
    return n;
}

const char *text_escape(char *out, size_t size, const char *text)
{
    static const char more[] = "...";
    char one[ESCAPED_MAX];
    size_t used = 0, cut = 0; /* cut: the last place where "..." still fits */
    while (*text) {
        text += escape_one(one, text);
        size_t n = strlen(one);
        if (used + n + 1 > size) {
            snprintf(out + cut, size - cut, "%s", more);
            return out;
        }
        memcpy(out + used, one, n);
        used += n;
        if (used + sizeof more <= size)
            cut = used;
    }
    out[used] = '\0';
    return out;
}

void text_write(FILE *out, const char *text)
{
    char one[ESCAPED_MAX];
    while (*text) {
        text += escape_one(one, text);
        fputs(one, out);
    }
}
