/* SPDX-License-Identifier: MIT
 *
 * Refusals; see problem.h. Pure. */
#include "serve/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int problem_set(struct problem *p, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->text, sizeof p->text, format, args);
    va_end(args);
    p->status = status;
    return -1;
}

int problem_prefix(struct problem *p, const char *words)
{
    size_t n = strlen(words), m = strlen(p->text);
    if (n >= sizeof p->text)
        return -1;
    if (n + m >= sizeof p->text)
        m = sizeof p->text - 1 - n;
    memmove(p->text + n, p->text, m);
    memcpy(p->text, words, n);
    p->text[n + m] = '\0';
    return -1;
}

int problem_nomem(struct problem *p)
{
    return problem_set(p, 503, "out of memory");
}
