/* SPDX-License-Identifier: MIT
 *
 * Making errors: the deepest function that knows says it once, code and
 * sentence together; everybody above passes the code on. The sentence is kept
 * in a fixed buffer per thread, so it can be said without memory. */
#ifndef GOS_BASE_ERROR_H
#define GOS_BASE_ERROR_H

#include <gostream/common.h>
#include <gostream/error.h>

/* Returns `code` (widened, so that it can be returned from either kind of function). */
int gos__error(int code, const char *fmt, ...) GOS_PRINTF(2, 3);
int gos__error_nomem(void); /* GOS_ENOMEM, "out of memory" */

/* The code that this thread's sentence was said with, 0 when there is none:
 * tells whether the sentence speaks of the error at hand. */
int gos__error_code(void);
void gos__error_clear(void);

/* A copy of the sentence that can travel to another thread. */
struct gos__error_text {
    int code;
    char text[256];
};
void gos__error_save(struct gos__error_text *out);
void gos__error_restore(const struct gos__error_text *in);

/* Bytes from the network made safe to print: control characters, invalid UTF-8
 * and backslashes become \xNN; cut with "..." where it does not fit. `cap` is
 * at least 8. Returns out. */
const char *gos__error_escape(char *out, size_t cap, const char *in, size_t len);

#endif
