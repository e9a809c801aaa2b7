/* SPDX-License-Identifier: MIT
 *
 * Entries from JSON and to lines; see entry.h. */
#include "pfs/entry.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/text.h"
#include "pfs/answer.h"
#include "pfs/memory.h"

int pfs_time_read(int64_t *seconds, int32_t *nanoseconds, const char *text)
{
    struct tm tm = {0};
    *seconds = 0;
    *nanoseconds = 0;
    const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!p)
        return -1;
    int32_t ns = 0;
    if (*p == '.') {
        int32_t weight = 100000000;
        for (p++; *p >= '0' && *p <= '9'; p++, weight /= 10)
            ns += (*p - '0') * weight;
    }
    int64_t offset = 0;
    if (*p == '+' || *p == '-') {
        unsigned hours, minutes;
        if (sscanf(p + 1, "%2u:%2u", &hours, &minutes) != 2)
            return -1;
        offset = ((int64_t)hours * 60 + minutes) * (*p == '-' ? -60 : 60);
    } else if (*p != 'Z' && *p != 'z') {
        return -1;
    }
    *seconds = (int64_t)timegm(&tm) - offset;
    *nanoseconds = ns;
    return 0;
}

static int64_t number(struct json_object *object, const char *key)
{
    struct json_object *value;
    return json_object_object_get_ex(object, key, &value) ? json_object_get_int64(value) : 0;
}

struct pfs_entry pfs_entry_read(struct json_object *object)
{
    struct pfs_entry e = {.name = "", .changed = ""};
    struct json_object *value;
    if (!json_object_is_type(object, json_type_object))
        return e;
    e.name = pfs_answer_text(object, "name", "");
    e.changed = pfs_answer_text(object, "modTime", "");
    e.size = number(object, "size");
    e.mode = (unsigned)number(object, "mode") & 07777;
    e.folder = json_object_object_get_ex(object, "isDir", &value) && json_object_get_boolean(value);
    if (json_object_object_get_ex(object, "meta", &value) &&
        json_object_is_type(value, json_type_object))
        e.meta = value;
    const char *type = pfs_answer_text(e.meta, "Type", "");
    e.stream = !strcmp(type, "stream") || !strcmp(type, "rotate-stream");
    pfs_time_read(&e.changed_s, &e.changed_ns, e.changed);
    return e;
}

static int by_kind_and_age(const void *a, const void *b)
{
    const struct pfs_entry *x = a, *y = b;
    if (x->folder != y->folder)
        return x->folder ? -1 : 1;
    if (x->changed_s != y->changed_s)
        return x->changed_s > y->changed_s ? -1 : 1;
    if (x->changed_ns != y->changed_ns)
        return x->changed_ns > y->changed_ns ? -1 : 1;
    return strcmp(x->name, y->name);
}

struct pfs_entries pfs_entries_read(struct json_object *listing)
{
    struct pfs_entries list = {0};
    struct json_object *files;
    if (!json_object_is_type(listing, json_type_object) ||
        !json_object_object_get_ex(listing, "files", &files) ||
        !json_object_is_type(files, json_type_array))
        return list;
    list.n = json_object_array_length(files);
    list.items = pfs_calloc(list.n, sizeof *list.items);
    for (size_t i = 0; i < list.n; i++)
        list.items[i] = pfs_entry_read(json_object_array_get_idx(files, i));
    qsort(list.items, list.n, sizeof *list.items, by_kind_and_age);
    return list;
}

void pfs_entries_free(struct pfs_entries *list)
{
    free(list->items);
    *list = (struct pfs_entries){0};
}

static void mode_text(char out[11], const struct pfs_entry *e)
{
    static const char bits[] = "rwxrwxrwx";
    out[0] = e->folder ? 'd' : '-';
    for (int i = 0; i < 9; i++)
        out[i + 1] = (e->mode >> (8 - i)) & 1 ? bits[i] : '-';
    out[10] = '\0';
}

void pfs_entry_line(FILE *out, const struct pfs_entry *e, bool safe)
{
    char mode[11], when[32] = "-";
    struct tm tm;
    time_t t = (time_t)e->changed_s;
    mode_text(mode, e);
    if (localtime_r(&t, &tm))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    fprintf(out, "%s %8lld %s ", mode, (long long)e->size, when);
    if (safe)
        text_write(out, e->name);
    else
        fputs(e->name, out);
    fputs(e->folder ? "/\n" : "\n", out);
}
