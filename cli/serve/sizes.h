/* SPDX-License-Identifier: MIT
 *
 * Sizes and times as configurations and queries write them. Pure. */
#ifndef CLI_SERVE_SIZES_H
#define CLI_SERVE_SIZES_H

#include <stddef.h>
#include <stdint.h>

#define SIZE_FORMAT "number with optional unit B/KB/MB/GB/TB"

/* "512KB", "1.5 mb", "64KiB", "2G", "4096": powers of 1024, B to TB in any
 * case, with or without "B" and "iB". 0, or -1 for what is no size or does not
 * fit in 63 bits. */
int size_parse(uint64_t *out, const char *text);

/* "5m", "1h30m", "500ms", "2.5s", or plain seconds: nanoseconds. 0, or -1. */
int duration_parse(int64_t *out, const char *text);

#define BUSY_POLL_FORMAT "a time from 0 to 100ms (e.g. \"60us\")"

/* How long a loop may look before it sleeps. 0, or -1. */
int busy_poll_parse(int64_t *out, const char *text);

#endif
