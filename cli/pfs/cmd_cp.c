/* SPDX-License-Identifier: MIT
 *
 * cp: servers cannot copy, so a file comes here and goes back; through a file
 * without a name, because it may be larger than memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pfs/command.h"
#include "pfs/entry.h"
#include "pfs/fetch.h"
#include "pfs/interrupt.h"
#include "pfs/memory.h"
#include "pfs/upload.h"

/* A file that is gone when it is closed, or -1, which is told. */
static int open_nameless(const struct pfs_run *r)
{
    const char *folder = getenv("TMPDIR");
    char *name = pfs_join(folder && *folder ? folder : "/tmp", "pfs-XXXXXX");
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        pfs_fail(r, name, strerror(errno));
    else
        unlink(name);
    free(name);
    return fd;
}

static int copy_by(const struct pfs_run *r, int fd, const char *from, const char *to)
{
    struct pfs_output out;
    pfs_output_init(&out, fd);
    int status = pfs_fetch(r, from, &out);
    int written = pfs_output_status(r, &out, "temporary file");
    int64_t size = (int64_t)out.written;
    pfs_output_free(&out);
    if (status != PFS_OK || written != PFS_OK)
        return PFS_FAILED;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return pfs_fail(r, "temporary file", strerror(errno));
    return pfs_upload(r, fd, size, from, to);
}

int cmd_cp(const struct pfs_run *r)
{
    const char *from = r->words[0], *to = r->words[1];
    struct json_object *answer = NULL;
    char *target = NULL;
    int fd = open_nameless(r);
    if (fd < 0)
        return PFS_FAILED;
    pfs_interrupt_begin();
    /* Into a folder, under the same name. What is wrong with `to` the write will say. */
    struct client_call look = {.method = "GET", .path = "/stat", .query = {{"path", to}}};
    if (client_json(r->client, &look, &answer) == CLIENT_DONE && pfs_entry_read(answer).folder)
        target = pfs_join(to, pfs_last_part(from));
    json_object_put(answer);
    int status = copy_by(r, fd, from, target ? target : to);
    close(fd);
    free(target);
    return status;
}
