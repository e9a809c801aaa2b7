/* SPDX-License-Identifier: MIT
 *
 * What all filesystems share; see fs.h. Pure but for the clock. */
#include "serve/fs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void fs_info_add(struct fs_info *info, const char *key, const char *format, ...)
{
    if (info->n_content == FS_CONTENT_MAX)
        return;
    struct fs_pair *pair = &info->content[info->n_content++];
    pair->key = key;
    va_list args;
    va_start(args, format);
    vsnprintf(pair->value, sizeof pair->value, format, args);
    va_end(args);
}

int listing_add(struct listing *l, const struct fs_info *info, struct problem *p)
{
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 16;
        struct fs_info *items = realloc(l->items, room * sizeof *items);
        if (!items)
            return problem_nomem(p);
        l->items = items;
        l->room = room;
    }
    struct fs_info copy = *info;
    copy.target = NULL;
    copy.name = strdup(info->name);
    if (!copy.name)
        return problem_nomem(p);
    l->items[l->n++] = copy;
    return 0;
}

void listing_free(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        free((char *)l->items[i].name);
    free(l->items);
    *l = (struct listing){0};
}

int fs_share(struct fs *fs, const char *path, uint64_t offset, uint64_t size, struct content *out,
             struct problem *p)
{
    struct bytes copy = {0};
    if (fs->ops->share)
        return fs->ops->share(fs, path, offset, size, out, p);
    int rc = fs->ops->read(fs, path, offset, size, &copy, p);
    if (rc == 0 && content_write(out, 0, copy.data, copy.n) < 0)
        rc = problem_nomem(p);
    bytes_free(&copy);
    return rc;
}

int64_t fs_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}
