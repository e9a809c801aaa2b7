/* SPDX-License-Identifier: MIT
 *
 * cat: files, and with --stream live streams, to stdout as they come. */
#include <unistd.h>

#include "common/say.h"
#include "pfs/command.h"
#include "pfs/entry.h"
#include "pfs/fetch.h"
#include "pfs/follow.h"
#include "pfs/interrupt.h"
#include "pfs/options.h"
#include "pfs/output.h"

static int take(void *user, const void *data, size_t n, int64_t offset)
{
    (void)offset;
    return pfs_output_put(user, data, n);
}

static int settle(void *user)
{
    return pfs_output_flush(user);
}

static int cat_stream(const struct pfs_run *r, const char *path, struct pfs_output *out)
{
    if (r->options->no_create) {
        struct json_object *answer = NULL;
        struct pfs_entry e;
        int status = pfs_stat(r, path, &e, &answer);
        json_object_put(answer);
        if (status != PFS_OK)
            return status;
    }
    struct pfs_follow f = {.r = r,
                           .path = path,
                           .from = r->options->from,
                           .policy = r->options->policy,
                           .take = take,
                           .settle = settle,
                           .user = out,
                           .output_fd = out->fd,
                           .no_create = r->options->no_create};
    int status = pfs_follow(&f);
    if (pfs_interrupted() && say_to_terminal())
        say_bare("Stream interrupted");
    if (status == PFS_OK && pfs_follow_lost(&f) && r->options->strict)
        status = PFS_GAPS;
    return status;
}

static int cat_file(const struct pfs_run *r, const char *path, struct pfs_output *out)
{
    pfs_interrupt_begin();
    int status = pfs_fetch(r, path, out);
    /* So that the prompt begins on a line of its own; never into files or pipes. */
    if (status == PFS_OK && out->written && out->last != '\n' && pfs_to_terminal())
        pfs_output_put(out, "\n", 1);
    pfs_output_flush(out);
    return status;
}

int cmd_cat(const struct pfs_run *r)
{
    struct pfs_output out;
    int worst = PFS_OK;
    const struct pfs_options *o = r->options;
    if (!o->stream && (o->from || o->policy || o->strict || o->no_create))
        return pfs_wrong_use(r, "--from, --policy, --strict and --no-create go with --stream");
    pfs_output_init(&out, STDOUT_FILENO);
    for (size_t i = 0; i < r->n && out.end == PFS_OUTPUT_OPEN && !pfs_interrupted(); i++) {
        int status = o->stream ? cat_stream(r, r->words[i], &out) : cat_file(r, r->words[i], &out);
        worst = status > worst ? status : worst;
    }
    int status = pfs_output_status(r, &out, "stdout");
    pfs_output_free(&out);
    return status > worst ? status : worst;
}
