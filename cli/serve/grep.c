/* SPDX-License-Identifier: MIT
 *
 * grep over the tree; see grep.h. Runs on the worker's thread, since it takes as
 * long as the files are large. */
#include "serve/grep.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "serve/json.h"

/* What one search may take of the worker, and its answer of memory: others wait. */
#define TIME_NS (INT64_C(10) * SECOND)
#define ANSWER_MAX ((size_t)256 << 20)

int grep_begin(struct grep *g, const char *pattern, bool ignore_case, struct problem *p)
{
    char why[PATTERN_BYTES_MAX + 128];
    memset(g, 0, sizeof *g);
    g->time_ns = TIME_NS;
    g->answer_max = ANSWER_MAX;
    if (pattern_new(&g->pattern, pattern, ignore_case, why, sizeof why) == 0)
        return 0;
    return *why ? problem_set(p, 400, "invalid regex pattern: %s", why) : problem_nomem(p);
}

void grep_end(struct grep *g)
{
    pattern_free(g->pattern);
    bytes_free(&g->out);
}

static void put_match(struct grep *g, const char *path, uint64_t line, const char *text, size_t n)
{
    if (!g->lines)
        bytes_text(&g->out, g->count ? "," : "[");
    bytes_text(&g->out, "{\"file\":");
    json_put_text(&g->out, path);
    bytes_format(&g->out, ",\"line\":%llu,\"content\":", (unsigned long long)line);
    json_put_string(&g->out, text, n);
    bytes_text(&g->out, g->lines ? "}\n" : "}");
    g->count++;
}

/* Whether it ends before all is searched. */
static bool enough(struct grep *g)
{
    /* Relaxed: it is only a wish. */
    if (g->given_up && atomic_load_explicit(g->given_up, memory_order_relaxed))
        return true;
    if ((g->limit > 0 && g->count >= g->limit) || g->out.failed)
        return true;
    if (!g->why && clock_ns() >= g->deadline_ns)
        g->why = "the search took too long";
    else if (!g->why && g->out.n > g->answer_max)
        g->why = "too many matches";
    return g->why;
}

static void search(struct grep *g, const char *path, const char *data, size_t n)
{
    uint64_t line = 0;
    for (size_t i = 0; i < n;) {
        /* Each line is asked for: it may take a second, and to ask takes nanoseconds. */
        if (enough(g))
            return;
        const char *end = memchr(data + i, '\n', n - i);
        size_t length = end ? (size_t)(end - data) - i : n - i;
        size_t shown = length > 0 && data[i + length - 1] == '\r' ? length - 1 : length;
        line++;
        int found = pattern_search(g->pattern, data + i, shown);
        if (found > 0)
            put_match(g, path, line, data + i, shown);
        else if (found < 0)
            g->out.failed = true;
        i += length + 1;
    }
}

static int search_file(struct grep *g, struct tree *t, const char *path, struct problem *p)
{
    struct bytes content = {0};
    int rc = tree_read(t, path, 0, UINT64_MAX, &content, p);
    if (rc == 0)
        search(g, path, content.data, content.n);
    bytes_free(&content);
    return rc;
}

/* Folders still to be looked into: how deep they nest, clients decide. */
struct pending {
    struct pending *next;
    char path[];
};

static int push(struct pending **list, const char *path, struct problem *p)
{
    size_t n = strlen(path) + 1;
    struct pending *item = malloc(sizeof *item + n);
    if (!item)
        return problem_nomem(p);
    memcpy(item->path, path, n);
    item->next = *list;
    *list = item;
    return 0;
}

static int search_entry(struct grep *g, struct tree *t, const char *folder,
                        const struct listed *info, struct pending **list, struct problem *p)
{
    char path[PATH_BYTES];
    struct problem skipped;
    /* Streams have no lines yet; what links lead to is found where it is. */
    if (strcmp(info->meta_type, "stream") == 0 || strcmp(info->meta_type, "symlink") == 0 ||
        path_join(path, folder, info->name, &skipped) < 0)
        return 0;
    if (info->is_dir)
        return push(list, path, p);
    search_file(g, t, path, &skipped); /* it may have gone meanwhile */
    return 0;
}

static int search_folders(struct grep *g, struct tree *t, const char *top, struct problem *p)
{
    struct pending *list = NULL;
    int rc = push(&list, top, p);
    while (list) {
        struct pending *folder = list;
        struct listing entries = {0};
        struct problem gone;
        list = folder->next;
        if (rc == 0 && !enough(g) && tree_list(t, folder->path, &entries, &gone) == 0)
            for (size_t i = 0; i < entries.n && rc == 0 && !enough(g); i++)
                rc = search_entry(g, t, folder->path, &entries.items[i], &list, p);
        listing_free(&entries);
        free(folder);
    }
    return rc;
}

int grep_run(struct grep *g, struct tree *t, const char *path, struct problem *p)
{
    char name[PATH_BYTES], target[PATH_BYTES];
    struct fs_info info;
    bool folder = tree_stat(t, path, name, target, &info, p) == 0 && info.is_dir;
    g->deadline_ns = clock_ns() + g->time_ns;
    if (folder && !g->recursive)
        return problem_set(p, 400, "path is a directory, use recursive=true to search");
    if (!g->lines)
        bytes_text(&g->out, "{\"matches\":");
    int rc = folder ? search_folders(g, t, path, p) : search_file(g, t, path, p);
    if (rc < 0)
        return problem_prefix(p, "grep failed: ");
    if (g->why)
        return problem_set(p, 400, "grep failed: %s; narrow it down, or set a limit", g->why);
    unsigned long long count = g->count;
    if (g->lines)
        bytes_format(&g->out, "{\"count\":%llu,\"type\":\"summary\"}\n", count);
    else
        bytes_format(&g->out, "%s,\"count\":%llu}\n", count ? "]" : "null", count);
    return g->out.failed ? problem_nomem(p) : 0;
}
