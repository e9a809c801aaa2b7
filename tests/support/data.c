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

void data_fill(void *buf, size_t len, uint64_t seed, uint64_t off)
{
    unsigned char *p = buf;

    while (len > 0) {
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
