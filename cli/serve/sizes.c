/* SPDX-License-Identifier: MIT
 *
 * Sizes and times; see sizes.h. Pure. */
#include "serve/sizes.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "common/units.h"

/* The longest number that means something here has fewer digits. */
#define NUMBER_BYTES 64
#define BUSY_POLL_MOST_NS 100000000

/* The number at the beginning of `text`, copied; what follows it is returned. */
static const char *take_number(char number[NUMBER_BYTES], const char *text)
{
    size_t n = strspn(text, "0123456789.");
    if (n == 0 || n >= NUMBER_BYTES - 4)
        return NULL;
    memcpy(number, text, n);
    number[n] = '\0';
    return text + n;
}

/* The letter of a unit, '\0' for bytes, or '?' for no unit. */
static char unit_letter(const char *unit)
{
    static const struct {
        const char *text;
        char letter;
    } units[] = {
        {"", 0},      {"B", 0},    {"K", 'K'},   {"KB", 'K'},  {"KIB", 'K'},
        {"M", 'M'},   {"MB", 'M'}, {"MIB", 'M'}, {"G", 'G'},   {"GB", 'G'},
        {"GIB", 'G'}, {"T", 'T'},  {"TB", 'T'},  {"TIB", 'T'},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcasecmp(unit, units[i].text))
            return units[i].letter;
    return '?';
}

int size_parse(uint64_t *out, const char *text)
{
    char number[NUMBER_BYTES];
    const char *rest = take_number(number, text);
    if (!rest)
        return -1;
    rest += strspn(rest, " ");
    char letter = unit_letter(rest);
    if (letter == '?')
        return -1;
    char *end = number + strlen(number);
    end[0] = letter;
    end[1] = '\0';
    return units_parse_size(out, number);
}

/* The unit at `*text` in nanoseconds, and past it. Lower case only: "5M" is a size. */
static int64_t take_time_unit(const char **text)
{
    static const struct {
        const char *text;
        int64_t ns;
    } units[] = {
        {"ns", 1},
        {"us", 1000},
        {"ms", 1000000},
        {"s", INT64_C(1000000000)},
        {"m", INT64_C(60000000000)},
        {"h", INT64_C(3600000000000)},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t n = strlen(units[i].text);
        if (strncmp(*text, units[i].text, n) == 0 && !isalpha((unsigned char)(*text)[n])) {
            *text += n;
            return units[i].ns;
        }
    }
    return 0;
}

int duration_parse(int64_t *out, const char *text)
{
    int64_t total = 0;
    bool first = true;
    while (*text || first) {
        char number[NUMBER_BYTES];
        int64_t seconds_ns;
        text = take_number(number, text);
        if (!text || units_parse_seconds(&seconds_ns, number) < 0)
            return -1;
        bool plain = first && !*text;
        int64_t unit = plain ? INT64_C(1000000000) : take_time_unit(&text);
        if (unit == 0)
            return -1;
        /* The number was read as seconds, so that fractions are exact to 1e-9 of a unit. */
        __int128 ns = (__int128)seconds_ns * unit / INT64_C(1000000000) + total;
        if (ns > INT64_MAX)
            return -1;
        total = (int64_t)ns;
        first = false;
    }
    *out = total;
    return 0;
}

int busy_poll_parse(int64_t *out, const char *text)
{
    int64_t ns;
    if (duration_parse(&ns, text) < 0 || ns > BUSY_POLL_MOST_NS)
        return -1;
    *out = ns;
    return 0;
}
