/* SPDX-License-Identifier: MIT
 *
 * upload: files and folders of this machine to the server. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/say.h"
#include "pfs/command.h"
#include "pfs/entry.h"
#include "pfs/interrupt.h"
#include "pfs/memory.h"
#include "pfs/options.h"
#include "pfs/progress.h"
#include "pfs/upload.h"

struct upload {
    const struct pfs_run *r;
    int fd;
    int error; /* errno of reading */
    int64_t size, sent;
    struct pfs_progress progress;
};

static ssize_t send_file(void *user, void *buf, size_t n)
{
    struct upload *u = user;
    if (pfs_interrupted())
        return CLIENT_SEND_STOP;
    if ((int64_t)n > u->size - u->sent)
        n = (size_t)(u->size - u->sent);
    ssize_t got = n ? read(u->fd, buf, n) : 0;
    if (got < 0 || (got == 0 && n)) {
        u->error = got < 0 ? errno : EIO; /* it became shorter than it was */
        return CLIENT_SEND_STOP;
    }
    u->sent += got;
    return got;
}

static void tick(void *user)
{
    struct upload *u = user;
    pfs_progress_show(&u->progress, (uint64_t)u->sent);
}

int pfs_upload(const struct pfs_run *r, int fd, int64_t size, const char *name, const char *path)
{
    struct upload u = {.r = r, .fd = fd, .size = size};
    struct client_flow flow = {.method = "PUT",
                               .path = "/files",
                               .query = {{"path", path}},
                               .send = send_file,
                               .send_fd = -1,
                               .send_size = size,
                               .tick = say_to_terminal() ? tick : NULL,
                               .output_fd = -1,
                               .user = &u};
    pfs_progress_begin(&u.progress, "sent", (uint64_t)size, -1);
    enum client_end end = client_flow(r->client, &flow);
    pfs_progress_end();
    if (end == CLIENT_DONE)
        return PFS_OK;
    if (end != CLIENT_STOPPED)
        return pfs_fail_call(r, path);
    return pfs_fail(r, name, u.error ? strerror(u.error) : "interrupted");
}

static int upload_file(const struct pfs_run *r, const char *local, const char *path)
{
    /* A pipe that nobody writes to is to be refused, not waited for. */
    int fd = open(local, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int status = pfs_fail(r, local, strerror(errno));
        if (fd >= 0)
            close(fd);
        return status;
    }
    int status = S_ISREG(st.st_mode)
                     ? pfs_upload(r, fd, st.st_size, local, path)
                     : pfs_fail(r, local, "is no regular file; for others: pfs write PATH <FILE");
    close(fd);
    return status;
}

static int make_folder(const struct pfs_run *r, const char *path)
{
    struct json_object *answer = NULL;
    struct client_call look = {.method = "GET", .path = "/stat", .query = {{"path", path}}};
    bool there = client_json(r->client, &look, &answer) == CLIENT_DONE &&
                 pfs_entry_read(answer).folder;
    json_object_put(answer);
    return there ? PFS_OK : pfs_path_call(r, "POST", "/directories", path, NULL);
}

static int upload_any(const struct pfs_run *r, const char *local, const char *path, unsigned depth);

static int upload_folder(const struct pfs_run *r, const char *local, const char *path,
                         unsigned depth)
{
    if (depth > PFS_DEPTH_MAX)
        return pfs_fail(r, local, PFS_TOO_DEEP);
    int worst = make_folder(r, path);
    DIR *folder = worst == PFS_OK ? opendir(local) : NULL;
    if (worst != PFS_OK)
        return worst;
    if (!folder)
        return pfs_fail(r, local, strerror(errno));
    struct dirent *e;
    while (errno = 0, (e = readdir(folder)) && !pfs_interrupted()) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        char *below = pfs_join(local, e->d_name);
        char *target = pfs_join(path, e->d_name);
        int status = upload_any(r, below, target, depth + 1);
        worst = status > worst ? status : worst;
        free(target);
        free(below);
    }
    if (!e && errno)
        worst = pfs_fail(r, local, strerror(errno));
    if (e && worst == PFS_OK)
        worst = pfs_fail(r, local, "interrupted");
    closedir(folder);
    return worst;
}

/* `depth` is how many folders of ours it is in. */
static int upload_any(const struct pfs_run *r, const char *local, const char *path, unsigned depth)
{
    struct stat st;
    /* Links are not followed below the first: they may lead in circles. */
    int rc = depth == 0 ? stat(local, &st) : lstat(local, &st);
    if (rc < 0)
        return pfs_fail(r, local, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return upload_file(r, local, path);
    if (!r->options->recursive)
        return pfs_fail(r, local, "is a directory; -r takes it along");
    return upload_folder(r, local, path, depth);
}

int cmd_upload(const struct pfs_run *r)
{
    const char *local = r->words[0], *path = r->words[1];
    char *target = NULL;
    struct json_object *answer = NULL;
    struct stat st;
    struct client_call look = {.method = "GET", .path = "/stat", .query = {{"path", path}}};

    pfs_interrupt_begin();
    /* A file goes into a folder that is there, under its name. */
    if (stat(local, &st) == 0 && !S_ISDIR(st.st_mode) &&
        client_json(r->client, &look, &answer) == CLIENT_DONE && pfs_entry_read(answer).folder)
        target = pfs_join(path, pfs_last_part(local));
    json_object_put(answer);
    int status = upload_any(r, local, target ? target : path, 0);
    free(target);
    return status;
}
