/* SPDX-License-Identifier: MIT
 *
 * Expressions that lines are searched for: RE2 behind a C face. What one costs is
 * bounded, whatever it says, and its syntax is that of Go's regexp, for which the
 * patterns of existing clients were written: no references back, no looking around.
 * Used by the thread that made it. */
#ifndef CLI_SERVE_PATTERN_H
#define CLI_SERVE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PATTERN_BYTES_MAX 1024

/* How much of a line is searched. A search cannot be interrupted, and takes up to 15 ns
 * for each byte and each instruction of the pattern's program. The worst that was found
 * within these bounds, some a[ab]{n} in a row where all is a, takes 2 s. */
#define PATTERN_LINE_MAX ((size_t)1 << 20)
#define PATTERN_LINE_MIN ((size_t)16 << 10) /* with the largest program */
#define PATTERN_PROGRAM_MAX 8192
#define PATTERN_WORK_MAX (PATTERN_LINE_MIN * PATTERN_PROGRAM_MAX)

struct pattern;

/* 0; or -1 with one line in `why`, which is empty if there is no memory. */
int pattern_new(struct pattern **out, const char *text, bool ignore_case, char *why,
                size_t why_size);
void pattern_free(struct pattern *p); /* NULL is fine */

/* How many bytes of a line are searched: between the two above. */
size_t pattern_reach(const struct pattern *p);

/* Whether it is found in the first bytes of this line: 1 or 0; -1: no memory. The line
 * may be of any bytes. What is no UTF-8 matches no part of a pattern, not even a dot,
 * and hides nothing that stands beside it. (To Go such a byte is U+FFFD.) */
int pattern_search(const struct pattern *p, const char *line, size_t n);

#ifdef __cplusplus
}
#endif

#endif
