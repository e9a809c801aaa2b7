/* SPDX-License-Identifier: MIT
 *
 * grep over the tree; see grep.h. Runs on the worker's thread, since it takes as
 * long as the files are large. */
#include "serve/grep.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "serve/json.h"

/* How often all repetitions of a pattern together may be written out: the
 * system's expressions are expanded, and {1000}{1000} would take all memory. */
#define REPEATS_MAX 1000

static int bad_pattern(struct problem *p, const char *why)
{
    return problem_set(p, 400, "invalid regex pattern: %s", why);
}

/* "{n}", "{n,m}" at `text`: the larger number, or 0 for no repetition. */
static unsigned long repeats(const char *text)
{
    char *end;
    if (*text != '{' || !isdigit((unsigned char)text[1]))
        return 0;
    unsigned long n = strtoul(text + 1, &end, 10);
    if (*end == ',' && isdigit((unsigned char)end[1])) {
        unsigned long m = strtoul(end + 1, NULL, 10);
        n = m > n ? m : n;
    }
    return n;
}

/* Patterns come from clients that know \d, which the system's do not; and what
 * takes exponential time here, they do not know: references back. */
static int translate(struct bytes *out, const char *pattern, struct problem *p)
{
    unsigned long product = 1;
    bool in_set = false;
    for (const char *c = pattern; *c; c++) {
        if (*c == '\\' && c[1]) {
            c++;
            if (isdigit((unsigned char)*c))
                return bad_pattern(p, "references back are not supported");
            if (*c == 'd')
                bytes_text(out, in_set ? "0-9" : "[0-9]");
            else if (*c == 'D' && !in_set)
                bytes_text(out, "[^0-9]");
            else
                bytes_put(out, c - 1, 2);
            continue;
        }
        in_set = in_set ? *c != ']' : *c == '[';
        unsigned long n = in_set ? 0 : repeats(c);
        if (n > REPEATS_MAX || (n > 1 && (product *= n) > REPEATS_MAX))
            return bad_pattern(p, "too many repetitions");
        bytes_put(out, c, 1);
    }
    bytes_put(out, "", 1);
    return out->failed ? problem_nomem(p) : 0;
}

int grep_begin(struct grep *g, const char *pattern, bool ignore_case, struct problem *p)
{
    struct bytes translated = {0};
    memset(g, 0, sizeof *g);
    if (strlen(pattern) > GREP_PATTERN_MAX)
        return bad_pattern(p, "too long");
    if (translate(&translated, pattern, p) < 0) {
        bytes_free(&translated);
        return -1;
    }
    int rc = regcomp(&g->pattern, translated.data, REG_EXTENDED | (ignore_case ? REG_ICASE : 0));
    bytes_free(&translated);
    if (rc != 0) {
        char why[128];
        regerror(rc, &g->pattern, why, sizeof why);
        return bad_pattern(p, why);
    }
    return 0;
}

void grep_end(struct grep *g)
{
    regfree(&g->pattern);
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

static bool enough(const struct grep *g)
{
    return g->limit > 0 && g->count >= g->limit;
}

/* `data` has a NUL behind it, and gets one behind each line. */
static void search(struct grep *g, const char *path, char *data, size_t n)
{
    uint64_t line = 0;
    for (size_t i = 0; i < n && !enough(g);) {
        char *end = memchr(data + i, '\n', n - i);
        size_t length = end ? (size_t)(end - data) - i : n - i;
        size_t shown = length > 0 && data[i + length - 1] == '\r' ? length - 1 : length;
        regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)shown};
        line++;
        data[i + length] = '\0';
        /* A line of 2 GiB does not fit what the system's expressions count in. */
        if (shown <= INT32_MAX && regexec(&g->pattern, data + i, 1, &range, REG_STARTEND) == 0)
            put_match(g, path, line, data + i, shown);
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
                        const struct fs_info *info, struct pending **list, struct problem *p)
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
    if (folder && !g->recursive)
        return problem_set(p, 400, "path is a directory, use recursive=true to search");
    if (!g->lines)
        bytes_text(&g->out, "{\"matches\":");
    int rc = folder ? search_folders(g, t, path, p) : search_file(g, t, path, p);
    if (rc < 0)
        return problem_prefix(p, "grep failed: ");
    unsigned long long count = g->count;
    if (g->lines)
        bytes_format(&g->out, "{\"count\":%llu,\"type\":\"summary\"}\n", count);
    else
        bytes_format(&g->out, "%s,\"count\":%llu}\n", count ? "]" : "null", count);
    return g->out.failed ? problem_nomem(p) : 0;
}
