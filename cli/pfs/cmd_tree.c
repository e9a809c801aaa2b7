/* SPDX-License-Identifier: MIT
 *
 * tree: a folder and all below it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "pfs/command.h"
#include "pfs/entry.h"
#include "pfs/memory.h"
#include "pfs/options.h"

struct tree {
    const struct pfs_run *r;
    unsigned depth; /* so many levels are shown */
    bool all;       /* what lies deeper should have been, too */
    bool listed;    /* the folder itself is there */
    unsigned long folders, files;
};

static int by_name(const void *a, const void *b)
{
    const struct pfs_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void print_name(const char *lead, const char *branch, const char *name)
{
    printf("%s%s", lead, branch);
    if (pfs_to_terminal())
        text_write(stdout, name);
    else
        fputs(name, stdout);
    putchar('\n');
}

static int branch(struct tree *t, const char *path, const char *lead, unsigned level)
{
    struct json_object *answer = NULL;
    struct pfs_entries list;
    int worst = pfs_list(t->r, path, &list, &answer);
    if (worst != PFS_OK)
        return worst;
    if (level == 1) {
        print_name("", "", path);
        t->listed = true;
    }
    if (list.n)
        qsort(list.items, list.n, sizeof *list.items, by_name);
    for (size_t i = 0; i < list.n; i++) {
        const struct pfs_entry *e = &list.items[i];
        bool last = i + 1 == list.n;
        print_name(lead, last ? "└── " : "├── ", e->name);
        if (!e->folder) {
            t->files++;
            continue;
        }
        t->folders++;
        if (level >= t->depth && !t->all)
            continue;
        char *below = pfs_join(path, e->name);
        char *deeper = pfs_printf("%s%s", lead, last ? "    " : "│   ");
        int status = level < t->depth ? branch(t, below, deeper, level + 1)
                                      : pfs_fail(t->r, below, PFS_TOO_DEEP);
        worst = status > worst ? status : worst;
        free(deeper);
        free(below);
    }
    pfs_entries_free(&list);
    json_object_put(answer);
    return worst;
}

int cmd_tree(const struct pfs_run *r)
{
    const char *path = r->n ? r->words[0] : "/";
    const char *depth = r->options->depth;
    struct tree t = {.r = r, .depth = depth ? (unsigned)atoi(depth) : PFS_DEPTH_MAX, .all = !depth};
    if (t.depth < 1 || t.depth > PFS_DEPTH_MAX)
        return pfs_wrong_use(r, "-L takes 1 to 64");
    int status = branch(&t, path, "", 1);
    if (!t.listed)
        return status;
    printf("\n%lu %s, %lu %s\n", t.folders, t.folders == 1 ? "directory" : "directories", t.files,
           t.files == 1 ? "file" : "files");
    return status;
}
