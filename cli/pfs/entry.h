/* SPDX-License-Identifier: MIT
 *
 * Files and folders as servers describe them, and as `ls` shows them. Pure. */
#ifndef CLI_PFS_ENTRY_H
#define CLI_PFS_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

struct pfs_entry {
    const char *name, *changed; /* RFC 3339; both belong to the JSON */
    int64_t size;
    unsigned mode;
    bool folder, stream;
    int64_t changed_s; /* since 1970 */
    int32_t changed_ns;
    struct json_object *meta; /* or NULL; belongs to the JSON */
};

struct pfs_entries {
    struct pfs_entry *items;
    size_t n;
};

/* What is absent or of a wrong type becomes empty. */
struct pfs_entry pfs_entry_read(struct json_object *object);

/* The "files" of a listing, folders first, then the newest first. null is none. To free. */
struct pfs_entries pfs_entries_read(struct json_object *listing);
void pfs_entries_free(struct pfs_entries *list);

/* "2026-11-20T09:22:41.073269917+01:00". 0, or -1 with 0 put out. */
int pfs_time_read(int64_t *seconds, int32_t *nanoseconds, const char *text);

/* One line of ls, times in the zone of whoever looks. `safe`: nothing in the
 * name may move a terminal's cursor. */
void pfs_entry_line(FILE *out, const struct pfs_entry *e, bool safe);

#endif
