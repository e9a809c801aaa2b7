/* SPDX-License-Identifier: MIT
 *
 * Files, resumed by offset; see fetch.h. A file that changed in between is not
 * pieced together from two. */
#include "pfs/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/say.h"
#include "pfs/entry.h"
#include "pfs/interrupt.h"
#include "pfs/memory.h"
#include "pfs/options.h"
#include "pfs/progress.h"
#include "pfs/retry.h"

struct fetch {
    const struct pfs_run *r;
    const char *path;
    struct pfs_output *out;
    struct pfs_progress progress;
    struct pfs_retry retry;
    uint64_t got;
    /* as they were at the start; size -1: the server did not say */
    int64_t size;
    char *changed;
    bool folder;
};

static void look(struct fetch *f, int64_t *size, char **changed)
{
    struct client_call call = {.method = "GET", .path = "/stat", .query = {{"path", f->path}}};
    struct json_object *answer = NULL;
    *size = -1;
    *changed = NULL;
    if (client_json(f->r->client, &call, &answer) == CLIENT_DONE) {
        struct pfs_entry e = pfs_entry_read(answer);
        f->folder = e.folder;
        *size = e.size;
        *changed = pfs_strdup(e.changed);
    }
    json_object_put(answer);
}

static int receive(void *user, const void *data, size_t n)
{
    struct fetch *f = user;
    f->got += n;
    pfs_retry_reset(&f->retry);
    return pfs_output_put(f->out, data, n);
}

static int settle(void *user)
{
    struct fetch *f = user;
    return pfs_output_flush(f->out);
}

static void tick(void *user)
{
    struct fetch *f = user;
    pfs_progress_show(&f->progress, f->got);
}

static enum client_end attempt(struct fetch *f)
{
    char offset[32];
    snprintf(offset, sizeof offset, "%" PRIu64, f->got);
    struct client_flow flow = {.method = "GET",
                               .path = "/files",
                               .query = {{"path", f->path}, {"offset", f->got ? offset : NULL}},
                               .receive = receive,
                               .settle = settle,
                               .tick = say_to_terminal() ? tick : NULL,
                               .send_fd = -1,
                               .output_fd = f->out->fd,
                               .interruptible = true,
                               .user = f};
    return client_flow(f->r->client, &flow);
}

/* Whoever has got a part must not take it for the whole. */
static int cut(const struct fetch *f, const char *why)
{
    char text[1024], of[32] = "";
    if (f->size >= 0)
        snprintf(of, sizeof of, " of %" PRIi64, f->size);
    snprintf(text, sizeof text, "ended after %" PRIu64 "%s bytes: %s", f->got, of, why);
    return pfs_fail(f->r, f->path, text);
}

static int cut_by_call(const struct fetch *f)
{
    return f->got ? cut(f, client_error(f->r->client)) : pfs_fail_call(f->r, f->path);
}

/* PFS_OK: the rest can be asked for. */
static int before_next_try(struct fetch *f)
{
    int64_t size;
    char *changed;
    if (f->size < 0 || !f->changed || !*f->changed)
        return cut_by_call(f);
    do {
        if (!pfs_retry_again(&f->retry))
            return cut_by_call(f);
        look(f, &size, &changed);
    } while (size < 0 && !client_status(f->r->client));
    bool same = size == f->size && changed && !strcmp(changed, f->changed);
    free(changed);
    if (same)
        return PFS_OK;
    if (size < 0)
        return cut_by_call(f);
    return cut(f, "the file changed while it was read");
}

static int run(struct fetch *f)
{
    bool begun = false;
    for (;;) {
        switch (attempt(f)) {
        case CLIENT_DONE:
            pfs_output_flush(f->out);
            return PFS_OK;
        case CLIENT_INTERRUPTED:
            return pfs_fail(f->r, f->path, "interrupted");
        case CLIENT_STOPPED:
            if (f->out->end == PFS_OUTPUT_INTERRUPTED)
                return pfs_fail(f->r, f->path, "interrupted");
            return PFS_OK; /* whoever has the output looks at it */
        case CLIENT_REFUSED:
            return cut_by_call(f);
        case CLIENT_UNREACHABLE:
            if (!begun)
                return cut_by_call(f);
            break;
        case CLIENT_BROKEN:
            break;
        }
        begun = true;
        if (before_next_try(f) != PFS_OK)
            return PFS_FAILED;
    }
}

int pfs_fetch(const struct pfs_run *r, const char *path, struct pfs_output *out)
{
    struct fetch f = {
        .r = r, .path = path, .out = out, .retry = {.window_ns = r->options->retry_ns}};
    look(&f, &f.size, &f.changed);
    if (!client_status(r->client))
        return pfs_fail_call(r, path);
    if (f.folder) {
        free(f.changed);
        return pfs_fail(r, path, "is a directory; what is in it lists: pfs ls");
    }
    pfs_progress_begin(&f.progress, "received", f.size > 0 ? (uint64_t)f.size : 0, out->fd);
    int status = run(&f);
    pfs_progress_end();
    free(f.changed);
    return status;
}

int pfs_output_status(const struct pfs_run *r, const struct pfs_output *out, const char *name)
{
    if (out->end != PFS_OUTPUT_FAILED)
        return PFS_OK;
    return pfs_fail(r, name, strerror(out->error));
}
