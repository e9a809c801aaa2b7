/* SPDX-License-Identifier: MIT
 *
 * Folders as SOURCEs; see expand.h. */
#include "mount/expand.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/say.h"
#include "common/text.h"

bool expand_is_magnet(const char *text)
{
    return strncasecmp(text, "magnet:", 7) == 0;
}

static int no_memory(void)
{
    say("%s", strerror(ENOMEM));
    return -1;
}

static int put(struct expansion *e, const struct expanded *item)
{
    if (e->n == e->room) {
        size_t room = e->room ? 2 * e->room : 16;
        struct expanded *items = realloc(e->items, room * sizeof *items);
        if (!items)
            return -1;
        e->items = items;
        e->room = room;
    }
    e->items[e->n++] = *item;
    e->n_files += !item->magnet;
    return 0;
}

/* Those that a shell's *.torrent would name. */
static int is_torrent(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && n > 8 && !strcasecmp(entry->d_name + n - 8, ".torrent");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int put_joined(struct expansion *e, const char *folder, const char *name, size_t from)
{
    struct expanded item = {.from = from};
    size_t n = strlen(folder);
    const char *slash = n && folder[n - 1] == '/' ? "" : "/";
    if (asprintf(&item.owned, "%s%s%s", folder, slash, name) < 0)
        return -1;
    item.text = item.owned;
    if (put(e, &item) < 0) {
        free(item.owned);
        return -1;
    }
    return 0;
}

static int put_folder(struct expansion *e, const char *folder, size_t from)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, is_torrent, by_name);
    if (n < 0) {
        say("%s: %s", SHOWN(folder), strerror(errno));
        return -1;
    }
    int rc = 0;
    for (int i = 0; i < n; i++) {
        if (rc == 0 && put_joined(e, folder, names[i]->d_name, from) < 0)
            rc = no_memory();
        free(names[i]);
    }
    free(names);
    if (rc == 0 && n == 0) {
        say("%s: is a folder without .torrent files", SHOWN(folder));
        rc = -1;
    }
    return rc;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int expand(struct expansion *out, const struct opt_list *sources)
{
    *out = (struct expansion){0};
    for (size_t i = 0; i < sources->n; i++) {
        const char *text = sources->items[i];
        const struct expanded item = {.text = text, .magnet = expand_is_magnet(text), .from = i};
        if (!item.magnet && is_folder(text)) {
            if (put_folder(out, text, i) < 0)
                return -1;
        } else if (put(out, &item) < 0) {
            return no_memory();
        }
    }
    return 0;
}

void expand_finish(struct expansion *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->items[i].owned);
    free(e->items);
    *e = (struct expansion){0};
}
