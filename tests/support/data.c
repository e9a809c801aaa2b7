/* SPDX-License-Identifier: MIT
 *
 * Pattern bytes: the little-endian words of splitmix64 over offset / 8. Pure. */
#include "support/data.h"

#include <endian.h>
#include <string.h>

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t word_at(uint64_t seed, uint64_t index)
{
    return htole64(mix(mix(seed) + (index + 1) * UINT64_C(0x9e3779b97f4a7c15)));
}

/* The part of the word around `off` that a range of `len` bytes uses: copied to
 * `out`, its length returned. */
static size_t part_at(unsigned char out[8], size_t len, uint64_t seed, uint64_t off)
{
    uint64_t word = word_at(seed, off >> 3);
    size_t skip = off & 7;
    size_t n = 8 - skip < len ? 8 - skip : len;

    memcpy(out, (const unsigned char *)&word + skip, n);
    return n;
}

/* Whole words, from the first that begins at `index`: a seeder that makes its
 * bytes and a reader that checks them run at the speed of this loop. */
static void fill_words(unsigned char *p, size_t n_words, uint64_t seed, uint64_t index)
{
    uint64_t base = mix(seed);

    for (size_t i = 0; i < n_words; i++) {
        uint64_t word = htole64(mix(base + (index + i + 1) * UINT64_C(0x9e3779b97f4a7c15)));
        memcpy(p + 8 * i, &word, sizeof word);
    }
}

/* The same, compared: how many of them are right before the first that is not. */
static size_t check_words(const unsigned char *p, size_t n_words, uint64_t seed, uint64_t index)
{
    uint64_t words[64];
    size_t right = 0;

    while (right < n_words) {
        size_t n = n_words - right < 64 ? n_words - right : 64;
        fill_words((unsigned char *)words, n, seed, index + right);
        if (memcmp(p + 8 * right, words, 8 * n) != 0) {
            while (memcmp(p + 8 * right, &words[right % 64], 8) == 0)
                right++;
            return right;
        }
        right += n;
    }
    return right;
}

void data_fill(void *buf, size_t len, uint64_t seed, uint64_t off)
{
    unsigned char *p = buf;

    while (len > 0) {
        if ((off & 7) == 0 && len >= 8) {
            size_t n_words = len / 8;
            fill_words(p, n_words, seed, off >> 3);
            p += 8 * n_words;
            off += 8 * n_words;
            len -= 8 * n_words;
            continue;
        }
        unsigned char part[8];
        size_t n = part_at(part, len, seed, off);
        memcpy(p, part, n);
        p += n;
        off += n;
        len -= n;
    }
}

size_t data_check(const void *buf, size_t len, uint64_t seed, uint64_t off)
{
    const unsigned char *p = buf;
    size_t right = 0;

    while (right < len) {
        size_t n_words = ((off + right) & 7) == 0 ? (len - right) / 8 : 0;
        size_t right_words = check_words(p + right, n_words, seed, (off + right) >> 3);
        right += 8 * right_words;
        if (right == len)
            break;
        unsigned char part[8];
        size_t n = part_at(part, len - right, seed, off + right);
        if (memcmp(p + right, part, n) != 0) {
            while (p[right] == part[0]) {
                right++;
                memmove(part, part + 1, sizeof part - 1);
            }
            return right;
        }
        right += n;
    }
    return right;
}

uint64_t data_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state);
}
