/* SPDX-License-Identifier: MIT
 *
 * A filesystem of the server, as routes see it. Paths are normalised and
 * relative to the mount ("/" is its root). Calls do not wait for anything but a
 * short lock and may come from any thread. */
#ifndef CLI_SERVE_FS_H
#define CLI_SERVE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/bytes.h"
#include "serve/content.h"
#include "serve/problem.h"

/* What meta.Content of an entry holds: strings, as clients expect. */
#define FS_CONTENT_MAX 16

struct fs_pair {
    const char *key;
    char value[48];
};

struct fs_info {
    const char *name; /* borrowed: of the path that was asked for, or of the listing */
    uint64_t size;
    unsigned mode;
    int64_t mtime_ns; /* since 1970 */
    bool is_dir;
    const char *meta_name; /* static strings */
    const char *meta_type;
    struct fs_pair content[FS_CONTENT_MAX];
    unsigned n_content;
    const char *target; /* of a symbolic link: shown as Content */
};

void fs_info_add(struct fs_info *info, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An entry of a listing, of which there may be millions: much smaller than fs_info. */
struct listed {
    char *name;
    uint64_t size;
    int64_t mtime_ns;
    const char *meta_name;
    const char *meta_type;
    struct fs_pair *content; /* NULL: none */
    unsigned n_content;
    unsigned mode;
    bool is_dir;
};

struct listing {
    struct listed *items;
    size_t n;
    size_t room;
};

/* Copy `info`, without its target, behind the others. 0, or -1 and "out of memory". */
int listing_add(struct listing *l, const struct fs_info *info, struct problem *p);

/* An entry as it was; its name is the listing's. */
void listing_get(const struct listing *l, size_t i, struct fs_info *out);
void listing_free(struct listing *l);

struct fs;

/* Each returns 0, or -1 and a problem. What is NULL is not supported. */
struct fs_ops {
    const char *name;
    int (*stat)(struct fs *, const char *path, struct fs_info *out, struct problem *);
    int (*list)(struct fs *, const char *path, struct listing *out, struct problem *);
    int (*read)(struct fs *, const char *path, uint64_t offset, uint64_t size, struct bytes *out,
                struct problem *);
    /* The same without a copy, for `out`, which is empty; and as it is now, for as long
     * as it takes to send. */
    int (*share)(struct fs *, const char *path, uint64_t offset, uint64_t size, struct content *out,
                 struct problem *);
    /* Replaces the content, and creates the file if need be. */
    int (*write)(struct fs *, const char *path, const void *data, size_t n, struct problem *);
    /* The same with bytes that become the file's; what was there is in `content` then. */
    int (*put)(struct fs *, const char *path, struct content *content, struct problem *);
    /* Into an existing file at `*offset`, or at its end, which then is told, for FS_END. */
    int (*write_at)(struct fs *, const char *path, uint64_t *offset, const void *data, size_t n,
                    struct problem *);
    int (*create)(struct fs *, const char *path, struct problem *);
    int (*mkdir)(struct fs *, const char *path, unsigned mode, struct problem *);
    int (*remove)(struct fs *, const char *path, bool recursive, struct problem *);
    int (*rename)(struct fs *, const char *from, const char *to, struct problem *);
    int (*chmod)(struct fs *, const char *path, unsigned mode, struct problem *);
    int (*truncate)(struct fs *, const char *path, uint64_t size, struct problem *);
    int (*touch)(struct fs *, const char *path, struct problem *);
    /* Unmounted: whoever waits in it is let go. Calls may still be under way. */
    void (*close)(struct fs *);
    void (*free)(struct fs *);
};

#define FS_END UINT64_MAX

struct fs {
    const struct fs_ops *ops;
};

/* op share, or op read where there is none. */
int fs_share(struct fs *fs, const char *path, uint64_t offset, uint64_t size, struct content *out,
             struct problem *p);

/* The wall clock, as times of entries are kept. */
int64_t fs_now_ns(void);

#endif
