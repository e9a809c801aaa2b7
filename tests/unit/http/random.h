/* SPDX-License-Identifier: MIT
 *
 * Numbers for tests with random input: the seed is printed, and can be given again
 * as GOS_TEST_SEED. */
#ifndef TESTS_HTTP_RANDOM_H
#define TESTS_HTTP_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct dice {
    uint64_t state;
};

static inline struct dice dice_new(const char *test)
{
    const char *given = getenv("GOS_TEST_SEED");
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)t.tv_nsec ^ (uint64_t)t.tv_sec;
    printf("%s: GOS_TEST_SEED=%llu\n", test, (unsigned long long)seed);
    return (struct dice){seed};
}

/* splitmix64 */
static inline uint64_t dice_next(struct dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* 0 to n - 1 */
static inline size_t dice_below(struct dice *d, size_t n)
{
    return (size_t)(dice_next(d) % n);
}

#endif
