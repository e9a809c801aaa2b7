/* SPDX-License-Identifier: MIT
 *
 * What the soak programs share: random decisions that a seed repeats, the
 * counts that are printed, and how a failure is told. */
#ifndef TESTS_SOAK_SOAK_H
#define TESTS_SOAK_SOAK_H

#include <stdbool.h>
#include <stdint.h>

/* ---- decisions ---- */

/* A stream of decisions. Each operation has one of its own, made from the seed
 * and its number: what one operation draws, which may depend on how threads ran,
 * does not change what the next one decides. */
struct soak_dice {
    uint64_t state;
};
struct soak_dice soak_dice(uint64_t seed, uint64_t round, uint64_t operation);
uint64_t soak_below(struct soak_dice *d, uint64_t n); /* 0 for n = 0 */
bool soak_chance(struct soak_dice *d, unsigned one_in);
#define SOAK_PICK(d, ...)                                                                          \
    ((const int64_t[]){                                                                            \
        __VA_ARGS__})[soak_below(d, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))]

/* ---- counts; any thread ---- */

enum soak_count { SOAK_OPERATIONS, SOAK_FAULTS, SOAK_BYTES, SOAK_FAILURES, SOAK_COUNTS };
void soak_add(enum soak_count what, uint64_t n);
uint64_t soak_count(enum soak_count what);

/* Where the run stands: printed with each failure. */
void soak_at(uint64_t seed, uint64_t round, uint64_t operation);
/* Count a failure and say it, with the seed and the number of the operation. */
void soak_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- reports ---- */

int64_t soak_now_ns(void); /* CLOCK_MONOTONIC */
void soak_nap(int64_t ns);

/* A thread that prints the counts every 10 s. When no operation is counted for
 * `stuck_ns` it says so and ends the program with status 1. */
void soak_report_begin(int64_t stuck_ns);
void soak_report_end(void); /* and the last line */
void soak_report_line(void);

#endif
