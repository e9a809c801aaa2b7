/* SPDX-License-Identifier: MIT
 *
 * download: files and folders of the server to this machine. A file appears
 * under its name when it is whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pfs/command.h"
#include "pfs/entry.h"
#include "pfs/fetch.h"
#include "pfs/interrupt.h"
#include "pfs/memory.h"
#include "pfs/options.h"
#include "pfs/output.h"

static int fetch_to(const struct pfs_run *r, const char *path, const char *local, int fd)
{
    struct pfs_output out;
    pfs_output_init(&out, fd);
    int status = pfs_fetch(r, path, &out);
    int written = pfs_output_status(r, &out, local);
    pfs_output_free(&out);
    return written != PFS_OK ? written : status;
}

/* Pipes, terminals and the like have no name to be given when it is whole. */
static int download_into(const struct pfs_run *r, const char *path, const char *local)
{
    int fd = open(local, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return pfs_fail(r, local, strerror(errno));
    int status = fetch_to(r, path, local, fd);
    close(fd);
    return status;
}

/* A name of its own beside `local`, whose own may be as long as names can be. */
static char *part_name(const char *local)
{
    size_t folder = (size_t)(pfs_last_part(local) - local);
    return pfs_printf("%.*s.pfs-%ld.part", (int)folder, local, (long)getpid());
}

static int download_file(const struct pfs_run *r, const char *path, const char *local)
{
    struct stat st;
    bool there = stat(local, &st) == 0;
    if (there && !S_ISREG(st.st_mode))
        return download_into(r, path, local);
    char *part = part_name(local);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, there ? 0600 : 0666);
    /* Who may read the old one may read the new one, and nobody else at any time. */
    if (fd >= 0 && there)
        fchmod(fd, st.st_mode & 0777);
    if (fd < 0) {
        int status = pfs_fail(r, local, strerror(errno));
        free(part);
        return status;
    }
    int status = fetch_to(r, path, local, fd);
    if (close(fd) < 0 && status == PFS_OK)
        status = pfs_fail(r, local, strerror(errno));
    if (status == PFS_OK && rename(part, local) < 0)
        status = pfs_fail(r, local, strerror(errno));
    if (status != PFS_OK)
        unlink(part);
    free(part);
    return status;
}

/* A name that would lead out of the folder it is to be put in. */
static bool dangerous(const char *name)
{
    return !*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..");
}

static int download_folder(const struct pfs_run *r, const char *path, const char *local,
                           unsigned depth);

/* `depth` is how many folders of theirs it is in. */
static int download_entry(const struct pfs_run *r, const char *path, const char *local,
                          const struct pfs_entry *e, unsigned depth)
{
    if (e->stream)
        return pfs_fail_stream(r, path);
    return e->folder ? download_folder(r, path, local, depth) : download_file(r, path, local);
}

static int download_folder(const struct pfs_run *r, const char *path, const char *local,
                           unsigned depth)
{
    if (depth > PFS_DEPTH_MAX)
        return pfs_fail(r, path, PFS_TOO_DEEP);
    struct json_object *answer = NULL;
    struct pfs_entries list;
    if (mkdir(local, 0777) < 0 && errno != EEXIST)
        return pfs_fail(r, local, strerror(errno));
    int worst = pfs_list(r, path, &list, &answer);
    if (worst != PFS_OK)
        return worst;
    size_t i;
    for (i = 0; i < list.n && !pfs_interrupted(); i++) {
        const struct pfs_entry *e = &list.items[i];
        int status;
        char *below = pfs_join(path, e->name);
        char *target = pfs_join(local, e->name);
        if (dangerous(e->name))
            status = pfs_fail(r, below, "its name cannot be one here");
        else
            status = download_entry(r, below, target, e, depth + 1);
        worst = status > worst ? status : worst;
        free(target);
        free(below);
    }
    if (i < list.n && worst == PFS_OK)
        worst = pfs_fail(r, path, "interrupted");
    pfs_entries_free(&list);
    json_object_put(answer);
    return worst;
}

int cmd_download(const struct pfs_run *r)
{
    const char *path = r->words[0], *local = r->words[1];
    struct json_object *answer = NULL;
    struct pfs_entry e;
    struct stat st;
    char *target = NULL;
    int status = pfs_stat(r, path, &e, &answer);
    if (status != PFS_OK)
        return status;
    pfs_interrupt_begin();
    if (stat(local, &st) == 0 && S_ISDIR(st.st_mode) && !e.folder)
        target = pfs_join(local, pfs_last_part(path));
    if (e.folder && !r->options->recursive)
        status = pfs_fail(r, path, "is a directory; -r takes it along");
    else
        status = download_entry(r, path, target ? target : local, &e, 0);
    free(target);
    json_object_put(answer);
    return status;
}
