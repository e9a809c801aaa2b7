/* SPDX-License-Identifier: MIT
 *
 * What the programs share that run beside a test or a measurement: their clock, sizes
 * in their options, and how they are told to report and to end. One thread. */
#ifndef TESTS_SERVICE_H
#define TESTS_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

int64_t service_now_ns(void);

/* "64K", "1M", "2G": powers of 1024. */
uint64_t service_bytes(const char *text);

/* A descriptor that tells of SIGTERM, SIGINT and SIGUSR1, which are held back. */
int service_signals(void);
/* One came: the report is printed. False: the program shall end. */
bool service_goes_on(int signals, void (*report)(void *arg), void *arg);

/* Whether standard input is one whose end is the end of the program, and has ended. */
bool service_has_input(void);
bool service_input_ended(void);

#endif
