/* SPDX-License-Identifier: MIT
 *
 * One sentence per thread on its last error, in a fixed buffer. Any thread;
 * each sees only its own. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strerrordesc_np: static text, unlike strerror */
#endif

#include "base/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct gos__error_text last;

/* The text did not fit: end it with dots, and not inside a UTF-8 character. */
static void mark_cut(char *text, size_t cap)
{
    size_t end = cap - sizeof "...";

    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    memcpy(text + end, "...", sizeof "...");
}

int gos__error(int code, const char *fmt, ...)
{
    char text[sizeof last.text]; /* an argument may be the last sentence itself */
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < 0)
        text[0] = '\0';
    else if ((size_t)n >= sizeof text)
        mark_cut(text, sizeof text);
    memcpy(last.text, text, sizeof text);
    last.code = code;
    return code;
}

int gos__error_nomem(void)
{
    return gos__error(GOS_ENOMEM, "out of memory");
}

int gos__error_code(void)
{
    return last.code;
}

void gos__error_clear(void)
{
    last.code = 0;
    last.text[0] = '\0';
}

void gos__error_save(struct gos__error_text *out)
{
    *out = last;
}

void gos__error_restore(const struct gos__error_text *in)
{
    last = *in;
}

const char *gos_last_error(void)
{
    return last.text;
}

const char *gos_strerror(int64_t code)
{
    switch (code) {
    case GOS_ELAPPED:
        return "offset is no longer in the live window";
    case GOS_EMETADATA:
        return "metadata or magnet link not usable";
    case GOS_EBUDGET:
        return "memory budget too small";
    case GOS_ECONTRACT:
        return "source broke its contract";
    default:
        break;
    }
    if (code >= 0)
        return "no error";
    const char *text = code > -4096 ? strerrordesc_np((int)-code) : NULL;
    return text ? text : "unknown error";
}

/* ---- text from the network ---- */

/* How many bytes a UTF-8 character with this first one has; 0: none has it. */
static size_t utf8_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The length of the UTF-8 character at `s`, its value in `out`; 0 when it is
 * none (too short, overlong, a surrogate, past U+10FFFF). */
static size_t decode(const unsigned char *s, size_t len, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = utf8_length(s[0]);

    if (n == 0 || n > len)
        return 0;
    uint32_t c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *out = c;
    return n;
}

/* Characters that move the cursor, or turn the order of the text around them. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

const char *gos__error_escape(char *out, size_t cap, const char *in, size_t len)
{
    const unsigned char *s = (const unsigned char *)in;
    size_t o = 0, fits = 0; /* fits: where the dots could go */

    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = decode(s + i, len - i, &c);
        bool plain = n > 0 && !is_control(c) && c != '\\';
        if (n == 0 || !plain)
            n = 1; /* byte by byte */
        size_t need = plain ? n : 4;
        if (o + need >= cap) {
            memcpy(out + fits, "...", sizeof "...");
            return out;
        }
        if (plain)
            memcpy(out + o, s + i, n);
        else
            snprintf(out + o, cap - o, "\\x%02x", s[i]);
        i += n;
        o += need;
        if (o + sizeof "..." <= cap)
            fits = o;
    }
    out[o] = '\0';
    return out;
}
