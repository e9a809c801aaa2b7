/* SPDX-License-Identifier: MIT
 *
 * Sizes and times as a person types them. Integers throughout: a double would
 * round 8191.999P, and strtod() reads "0x1p3" and "nan". */
#include "common/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The value of a fraction is kept as digits over 10^FRACTION_DIGITS; the unit's
 * 2^50 times that must fit 128 bits, so more digits change nothing. */
#define FRACTION_DIGITS 18

struct number {
    uint64_t whole;
    uint64_t fraction; /* over 10^FRACTION_DIGITS */
    bool has_fraction;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int parse_whole(uint64_t *out, const char **text)
{
    const char *p = *text;
    uint64_t value = 0;
    if (!is_digit(*p))
        return -1;
    for (; is_digit(*p); p++) {
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return UNITS_TOO_LARGE;
    }
    *out = value;
    *text = p;
    return 0;
}

static int parse_number(struct number *out, const char **text)
{
    struct number n = {0};
    const char *p = *text;
    int rc = parse_whole(&n.whole, &p);
    if (rc < 0)
        return rc;
    if (*p == '.') {
        p++;
        if (!is_digit(*p))
            return -1;
        n.has_fraction = true;
        int digits = 0;
        for (; is_digit(*p); p++) {
            if (digits == FRACTION_DIGITS)
                continue;
            n.fraction = n.fraction * 10 + (uint64_t)(*p - '0');
            digits++;
        }
        for (; digits < FRACTION_DIGITS; digits++)
            n.fraction *= 10;
    }
    *out = n;
    *text = p;
    return 0;
}

/* n * scale, rounded down. */
static int scaled(uint64_t *out, const struct number *n, uint64_t scale)
{
    const uint64_t over = UINT64_C(1000000000000000000);
    unsigned __int128 value = (unsigned __int128)n->whole * scale;
    value += (unsigned __int128)n->fraction * scale / over;
    if (value > INT64_MAX)
        return UNITS_TOO_LARGE;
    *out = (uint64_t)value;
    return 0;
}

int units_parse_size(uint64_t *out, const char *text)
{
    static const char letters[] = "KMGTP";
    struct number n;
    int rc = parse_number(&n, &text);
    if (rc < 0)
        return rc;

    uint64_t scale = 1;
    char upper = (*text >= 'a' && *text <= 'z') ? (char)(*text - 'a' + 'A') : *text;
    const char *letter = upper ? strchr(letters, upper) : NULL;
    if (letter) {
        scale = UINT64_C(1) << (10 * (letter - letters + 1));
        text++;
        if (text[0] == 'i' && text[1] == 'B')
            text++;
    }
    if (*text == 'B')
        text++;
    if (*text || (n.has_fraction && scale == 1))
        return -1;
    return scaled(out, &n, scale);
}

int units_parse_seconds(int64_t *out, const char *text)
{
    struct number n;
    uint64_t ns;
    int rc = parse_number(&n, &text);
    if (rc < 0)
        return rc;
    if (*text == 's')
        text++;
    if (*text)
        return -1;
    rc = scaled(&ns, &n, UINT64_C(1000000000));
    if (rc == 0)
        *out = (int64_t)ns;
    return rc;
}
