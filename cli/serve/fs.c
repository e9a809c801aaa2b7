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

static bool copy_info(struct listed *item, const struct fs_info *info)
{
    *item = (struct listed){.name = strdup(info->name),
                            .size = info->size,
                            .mtime_ns = info->mtime_ns,
                            .meta_name = info->meta_name,
                            .meta_type = info->meta_type,
                            .n_content = info->n_content,
                            .mode = info->mode,
                            .is_dir = info->is_dir};
    if (info->n_content > 0) {
        item->content = malloc(info->n_content * sizeof(*item->content));
        if (item->content)
            memcpy(item->content, info->content, info->n_content * sizeof(*item->content));
    }
    return item->name && (info->n_content == 0 || item->content);
}

static void free_listed(struct listed *item)
{
    free(item->name);
    free(item->content);
}

int listing_add(struct listing *l, const struct fs_info *info, struct problem *p)
{
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 16;
        struct listed *items = realloc(l->items, room * sizeof(*items));
        if (!items)
            return problem_nomem(p);
        l->items = items;
        l->room = room;
    }
    struct listed *item = &l->items[l->n];
    if (!copy_info(item, info)) {
        free_listed(item);
        return problem_nomem(p);
    }
    l->n++;
    return 0;
}

void listing_get(const struct listing *l, size_t i, struct fs_info *out)
{
    const struct listed *item = &l->items[i];
    *out = (struct fs_info){.name = item->name,
                            .size = item->size,
                            .mode = item->mode,
                            .mtime_ns = item->mtime_ns,
                            .is_dir = item->is_dir,
                            .meta_name = item->meta_name,
                            .meta_type = item->meta_type,
                            .n_content = item->n_content};
    if (item->content)
        memcpy(out->content, item->content, item->n_content * sizeof(*item->content));
}

void listing_free(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        free_listed(&l->items[i]);
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
