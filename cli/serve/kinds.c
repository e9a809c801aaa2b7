/* SPDX-License-Identifier: MIT
 *
 * Which filesystems there are; see kinds.h. Pure but for allocation. */
#include "serve/kinds.h"

#include <stdbool.h>
#include <string.h>

#include "serve/bytes.h"
#include "serve/devfs.h"
#include "serve/memfs.h"
#include "serve/stream.h"
#include "serve/streamconf.h"
#include "serve/streamfs.h"

static int give(struct fs **out, struct fs *made, struct problem *p)
{
    *out = made;
    return made ? 0 : problem_nomem(p);
}

static int make_streamfs(struct fs **out, const struct conf_node *config, struct stream_room *room,
                         unsigned *line, struct problem *p)
{
    struct streamconf conf;
    if (streamconf_read(&conf, config, room->max_bytes, line, p) < 0)
        return -1;
    return streamfs_new(out, &conf, room, p);
}

/* Take `*limit` bytes from what files of this server may have, or, if that is not what
 * somebody asked for, half of what there is, so that something is left for the next. */
static int promise_files(struct stream_room *room, uint64_t *limit, bool asked_for,
                         struct problem *p)
{
    uint64_t promised = atomic_load_explicit(&room->files_promised, memory_order_relaxed), left;
    do {
        left = room->max_bytes - promised;
        if (*limit > left / 2 && !asked_for)
            *limit = left / 2;
        if (*limit > left || *limit == 0)
            return problem_set(p, 400,
                               "invalid memory_limit: of the memory_limit of the server (%llu), "
                               "which holds for the files of all memfs mounts, too, %llu bytes "
                               "are left",
                               (unsigned long long)room->max_bytes, (unsigned long long)left);
    } while (!atomic_compare_exchange_weak_explicit(&room->files_promised, &promised,
                                                    promised + *limit, memory_order_relaxed,
                                                    memory_order_relaxed));
    return 0;
}

static int make_memfs(struct fs **out, const struct conf_node *config, struct stream_room *room,
                      unsigned *line, struct problem *p)
{
    uint64_t limit = MEMFS_LIMIT_DEFAULT;
    const struct conf_node *node = config ? conf_child(config, "memory_limit") : NULL;
    if (node && streamconf_size(&limit, node, line, p) < 0)
        return -1;
    if (promise_files(room, &limit, node, p) < 0) {
        *line = node ? node->line : *line;
        return -1;
    }
    struct fs *made = memfs_new(limit, &room->files_promised);
    if (!made)
        atomic_fetch_sub_explicit(&room->files_promised, limit, memory_order_relaxed);
    return give(out, made, p);
}

static int make_devfs(struct fs **out, const struct conf_node *config, struct stream_room *room,
                      unsigned *line, struct problem *p)
{
    (void)config, (void)room, (void)line;
    return give(out, devfs_new(), p);
}

static const struct fs_param memfs_params[] = {
    {"memory_limit", "string", "256MB", "Bytes that all files and folders may take"},
};

static const struct fs_kind streamfs_kind = {
    .name = "streamfs",
    .params = streamconf_params,
    .n_params = STREAMCONF_PARAMS,
    .make = make_streamfs,
};
static const struct fs_kind memfs_kind = {
    .name = "memfs",
    .params = memfs_params,
    .n_params = sizeof memfs_params / sizeof *memfs_params,
    .make = make_memfs,
};
static const struct fs_kind devfs_kind = {.name = "devfs", .make = make_devfs};

static const struct fs_kind *const all[] = {&devfs_kind, &memfs_kind, &streamfs_kind};

const struct fs_kind *const *kinds_all(size_t *n)
{
    *n = sizeof all / sizeof *all;
    return all;
}

const struct fs_kind *kinds_find(const char *name)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

static bool is_param(const struct fs_kind *kind, const char *key)
{
    for (size_t i = 0; i < kind->n_params; i++)
        if (strcmp(kind->params[i].name, key) == 0)
            return true;
    /* Put there by servers and files of old; the mount knows where it is. */
    return strcmp(key, "mount_path") == 0;
}

static int unknown_params(const struct fs_kind *kind, const struct conf_node *config,
                          struct problem *p)
{
    struct bytes names = {0};
    for (const struct conf_node *key = config->children; key; key = key->next)
        if (!is_param(kind, key->key))
            bytes_format(&names, "%s'%s'", names.n ? ", " : "", key->key);
    bytes_text(&names, " - allowed parameters are: ");
    for (size_t i = 0; i < kind->n_params; i++)
        bytes_format(&names, "'%s', ", kind->params[i].name);
    bytes_text(&names, "'mount_path'");
    if (names.failed)
        problem_nomem(p);
    else
        problem_set(p, 400, "unknown configuration parameter(s) %s", names.data);
    bytes_free(&names);
    return -1;
}

int kinds_make(const struct fs_kind *kind, struct fs **out, const struct conf_node *config,
               struct stream_room *room, unsigned *line, struct problem *p)
{
    *line = config ? config->line : 0;
    for (const struct conf_node *key = config ? config->children : NULL; key; key = key->next) {
        if (!is_param(kind, key->key)) {
            *line = key->line;
            return unknown_params(kind, config, p);
        }
    }
    return kind->make(out, config, room, line, p);
}
