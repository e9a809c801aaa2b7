/* SPDX-License-Identifier: MIT
 *
 * grep over the tree; see grep.h. Runs on the worker's thread, since it takes as
 * long as the files are large. */
#include "serve/grep.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "serve/json.h"

/* What a pattern may come to when it is written out: the system's expressions are
 * expanded, and {1000}{1000}, or a few + one around another, would take all memory. */
#define EXPANDED_MAX 2000

static int bad_pattern(struct problem *p, const char *why)
{
    return problem_set(p, 400, "invalid regex pattern: %s", why);
}

/* How large a pattern is when it is written out, as far as it has been read. */
struct extent {
    unsigned long total;
    unsigned long atom; /* `total` before the last atom, which repetitions repeat */
    bool in_braces;
    unsigned depth;
    unsigned long groups[GREP_PATTERN_MAX]; /* `total` before each group that is open */
};

/* Whether a repetition begins at `text`: one of "*", "+", "?", "{n", "{,n". */
static bool is_repetition(const char *text)
{
    if (*text == '{')
        return isdigit((unsigned char)text[text[1] == ',' ? 2 : 1]);
    return *text && strchr("*+?", *text);
}

/* How often the repetition at `text` writes out what it repeats. */
static unsigned long repeats(const char *text)
{
    char *end;
    if (*text != '{')
        return *text == '+' ? 2 : 1;
    /* An empty number is 0: the larger one counts, and "{n,}" is one more. */
    unsigned long n = strtoul(text + 1, &end, 10);
    if (text[1] == ',')
        end = (char *)text + 1;
    unsigned long m = *end != ',' ? 1 : end[1] == '}' ? n + 1 : strtoul(end + 1, NULL, 10);
    n = m > n ? m : n;
    return n > EXPANDED_MAX ? EXPANDED_MAX + 1 : n;
}

/* One more byte of the pattern. False: it has become too large. */
static bool extend(struct extent *e, const char *c)
{
    if (is_repetition(c)) {
        e->total = e->atom + (e->total - e->atom) * repeats(c) + 1;
        e->in_braces = *c == '{';
    } else if (e->in_braces) {
        e->total++; /* further repetitions are of the same atom */
        e->in_braces = *c != '}';
    } else if (*c == ')') {
        e->total++;
        e->atom = e->depth > 0 ? e->groups[--e->depth] : 0;
    } else {
        if (*c == '(')
            e->groups[e->depth++] = e->total;
        e->atom = e->total++;
    }
    return e->total <= EXPANDED_MAX;
}

/* The bracket that ends the set that begins at `c`, as the system finds it, or the end
 * of the text. A backslash has no meaning there. */
static const char *set_end(const char *c)
{
    c += c[1] == '^' ? 2 : 1;
    for (c += *c == ']'; *c && *c != ']'; c++) {
        if (*c != '[' || !c[1] || !strchr(":.=", c[1]))
            continue;
        const char close[] = {c[1], ']', '\0'}, *end = strstr(c + 2, close);
        if (!end)
            return c + strlen(c);
        c = end + 1;
    }
    return c;
}

/* A set, up to its last bracket; \d in it is all digits. */
static const char *translate_set(struct bytes *out, const char *c)
{
    const char *end = set_end(c);
    for (; c < end; c++) {
        bool digits = c[0] == '\\' && c[1] == 'd';
        bytes_put(out, digits ? "0-9" : c, digits ? 3 : 1);
        c += digits;
    }
    return end;
}

/* What stands behind a backslash, outside of sets. */
static int translate_escaped(struct bytes *out, char c, struct problem *p)
{
    const char both[] = {'\\', c, '\0'};
    if (isdigit((unsigned char)c))
        return bad_pattern(p, "references back are not supported");
    bytes_text(out, c == 'd' ? "[0-9]" : c == 'D' ? "[^0-9]" : both);
    return 0;
}

/* Patterns come from clients that know \d, which the system's do not; and what
 * takes exponential time here, they do not know: references back. */
static int translate(struct bytes *out, const char *pattern, struct problem *p)
{
    struct extent e = {0};
    for (const char *c = pattern; *c; c++) {
        bool escaped = *c == '\\' && c[1];
        if (!extend(&e, escaped ? "x" : c))
            return bad_pattern(p, "too many repetitions");
        if (escaped && translate_escaped(out, *++c, p) < 0)
            return -1;
        if (*c == '[' && !escaped)
            c = translate_set(out, c);
        if (!*c)
            break; /* a set without an end, which the system refuses */
        if (!escaped)
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
    /* Relaxed: it is only a wish. */
    if (g->given_up && atomic_load_explicit(g->given_up, memory_order_relaxed))
        return true;
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
