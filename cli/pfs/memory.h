/* SPDX-License-Identifier: MIT
 *
 * Memory of a short-lived client: when there is none left there is nothing
 * sensible to do but to say so and end. Any thread. */
#ifndef CLI_PFS_MEMORY_H
#define CLI_PFS_MEMORY_H

#include <stddef.h>

/* `p`, or the end of the process with a sentence and status 1. */
void *pfs_must(void *p);

void *pfs_calloc(size_t n, size_t size);
char *pfs_strdup(const char *text);

/* printf into fresh memory. */
char *pfs_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bytes that grow; data is always followed by a NUL that n does not count. */
struct pfs_bytes {
    char *data;
    size_t n, room;
};

void pfs_bytes_add(struct pfs_bytes *b, const void *data, size_t n);

/* The same, unless there would be more than PFS_BYTES_MAX: what a server sends must
 * not fill our memory. -1: it would, and nothing was added. */
#define PFS_BYTES_MAX ((size_t)64 << 20)
#define PFS_BYTES_MAX_TEXT "64 MiB"
int pfs_bytes_add_bounded(struct pfs_bytes *b, const void *data, size_t n);

void pfs_bytes_free(struct pfs_bytes *b);

#endif
