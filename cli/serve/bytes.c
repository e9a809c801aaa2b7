/* SPDX-License-Identifier: MIT
 *
 * Bytes that grow; see bytes.h. Pure. */
#include "serve/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct bytes *b, size_t n)
{
    if (b->failed)
        return false;
    if (n <= b->room - b->n)
        return true;
    size_t room = b->room ? b->room : 256;
    while (room - b->n < n)
        room *= 2;
    char *data = realloc(b->data, room);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->room = room;
    return true;
}

void bytes_put(struct bytes *b, const void *data, size_t n)
{
    if (n == 0 || !reserve(b, n + 1))
        return;
    memcpy(b->data + b->n, data, n);
    b->n += n;
    b->data[b->n] = '\0';
}

void bytes_text(struct bytes *b, const char *text)
{
    bytes_put(b, text, strlen(text));
}

void bytes_format(struct bytes *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n >= 0 && reserve(b, (size_t)n + 1)) {
        vsnprintf(b->data + b->n, (size_t)n + 1, format, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}
