/* SPDX-License-Identifier: MIT
 *
 * Memory or the end; see memory.h. */
#include "pfs/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/say.h"

void *pfs_must(void *p)
{
    if (!p) {
        say("out of memory");
        exit(1);
    }
    return p;
}

void *pfs_calloc(size_t n, size_t size)
{
    return pfs_must(calloc(n ? n : 1, size ? size : 1));
}

char *pfs_strdup(const char *text)
{
    return pfs_must(strdup(text));
}

char *pfs_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    return pfs_must(n < 0 ? NULL : text);
}

void pfs_bytes_add(struct pfs_bytes *b, const void *data, size_t n)
{
    if (b->room - b->n <= n) {
        size_t room = (b->n + n + 1) * 2;
        b->data = pfs_must(realloc(b->data, room));
        b->room = room;
    }
    if (n)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    b->data[b->n] = '\0';
}

int pfs_bytes_add_bounded(struct pfs_bytes *b, const void *data, size_t n)
{
    if (b->n > PFS_BYTES_MAX || n > PFS_BYTES_MAX - b->n)
        return -1;
    pfs_bytes_add(b, data, n);
    return 0;
}

void pfs_bytes_free(struct pfs_bytes *b)
{
    free(b->data);
    *b = (struct pfs_bytes){0};
}
