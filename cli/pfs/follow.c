/* SPDX-License-Identifier: MIT
 *
 * Live streams; see follow.h.
 *
 * A raw stream of bytes cannot say that some are missing in its middle, so the
 * framed form is asked for, in which gaps and offsets stand. A server that does
 * not know it sends raw bytes; those are passed on, and after a broken connection
 * nobody can tell where to go on. One thread. */
#include "pfs/follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/say.h"
#include "pfs/interrupt.h"
#include "pfs/options.h"

/* ---- losses ---- */

static void tell_losses(struct pfs_follow *f, bool now)
{
    /* A reader that is always too slow loses many times a second. */
    if (!f->untold || (!now && f->told_ns && clock_ns() - f->told_ns < SECOND))
        return;
    char message[160];
    snprintf(message, sizeof message, "%" PRIu64 " bytes were lost: they were read too slowly",
             f->untold);
    pfs_fail(f->r, f->path, message);
    f->untold = 0;
    f->told_ns = clock_ns();
}

static void lose(void *user, uint64_t from, uint64_t to)
{
    struct pfs_follow *f = user;
    f->gaps++;
    f->lost += to - from;
    f->untold += to - from;
    tell_losses(f, false);
}

/* ---- what the server sends ---- */

static int64_t offset_of(const char *text)
{
    size_t digits = text ? strspn(text, "0123456789") : 0;
    return digits && digits < 19 && !text[digits] ? strtoll(text, NULL, 10) : -1;
}

/* Streams of one name are told apart by it; one that is too long tells nothing. */
static bool is_other(struct pfs_follow *f, const char *id)
{
    if (strlen(id) >= sizeof f->id)
        return false;
    bool other = *f->id && strcmp(f->id, id) != 0;
    memcpy(f->id, id, strlen(id) + 1);
    return other;
}

static int header(void *user, const char *name, const char *value)
{
    struct pfs_follow *f = user;
    if (!strcasecmp(name, "Content-Type"))
        f->framed = !strcasecmp(value, FRAME_TYPE);
    /* Known before the first byte, so that a break before it can be healed, too. */
    else if (!strcasecmp(name, "X-Stream-Start") && f->frames.at < 0)
        f->frames.at = offset_of(value);
    else if (!strcasecmp(name, "X-Stream-Id"))
        f->other = is_other(f, value);
    return f->other ? -1 : 0;
}

static int take(void *user, const void *data, size_t n, int64_t offset)
{
    struct pfs_follow *f = user;
    if (f->take(f->user, data, n, offset) < 0) {
        f->stopped = true;
        return -1;
    }
    f->received += n;
    pfs_retry_reset(&f->retry);
    return 0;
}

static int receive(void *user, const void *data, size_t n)
{
    struct pfs_follow *f = user;
    if (f->framed)
        return pfs_frames_feed(&f->frames, data, n, &f->wrong);
    /* Raw bytes where a place was asked for would be the wrong ones. */
    f->wrong = f->frames.at >= 0;
    return f->wrong ? -1 : take(f, data, n, -1);
}

static int settle(void *user)
{
    struct pfs_follow *f = user;
    if (f->settle(f->user) < 0) {
        f->stopped = true;
        return -1;
    }
    return 0;
}

static void tick(void *user)
{
    struct pfs_follow *f = user;
    tell_losses(f, false);
    pfs_progress_show(&f->progress, f->received);
}

/* ---- attempts ---- */

static enum client_end attempt(struct pfs_follow *f, bool first)
{
    char place[32];
    snprintf(place, sizeof place, "%" PRId64, f->frames.at);
    f->framed = false;
    f->other = false;
    pfs_frames_begin(&f->frames);
    struct client_flow flow = {.method = "GET",
                               .path = "/files",
                               .query = {{"path", f->path},
                                         {"stream", "true"},
                                         {"framed", "1"},
                                         {"from", f->frames.at >= 0 ? place : f->from},
                                         {"policy", f->policy},
                                         {"until", f->until},
                                         {"create", !first || f->no_create ? "false" : NULL}},
                               .receive = receive,
                               .settle = settle,
                               .header = header,
                               .tick = tick,
                               .send_fd = -1,
                               .output_fd = f->output_fd,
                               .endless = true,
                               .interruptible = true,
                               .user = f};
    return client_flow(f->r->client, &flow);
}

/* The stream that was read is gone, and its name is that of another one. */
static void begin_anew(struct pfs_follow *f)
{
    char message[160];
    snprintf(message, sizeof message,
             "the connection was lost after %" PRIu64 " bytes, and the server has another stream "
             "now, which is read from its beginning",
             f->received);
    pfs_fail(f->r, f->path, message);
    f->replaced = true;
    f->id[0] = '\0';
    f->from = NULL;
    f->frames.at = -1;
    f->frames.joined = false;
    if (f->anew)
        f->anew(f->user);
}

/* NULL: it is known where to go on. */
static const char *hopeless(const struct pfs_follow *f)
{
    if (f->frames.at < 0 && !f->replaced)
        return "this server cannot go on from there";
    if (f->policy && !strcmp(f->policy, "disconnect"))
        return "with this policy that happens to who reads too slowly";
    return NULL;
}

static const char *what_broke(const struct pfs_follow *f)
{
    const char *error = client_error(f->r->client);
    return *error ? error : "the server ended its answer too early";
}

/* True: ask again. What prevents it is told. */
static bool try_again(struct pfs_follow *f)
{
    char message[1280];
    const char *why_not = hopeless(f);
    if (why_not) {
        snprintf(message, sizeof message, "%s after %" PRIu64 " bytes; %s", what_broke(f),
                 f->received, why_not);
        pfs_fail(f->r, f->path, message);
        return false;
    }
    if (pfs_retry_again(&f->retry))
        return true;
    if (pfs_interrupted())
        return false;
    if (client_status(f->r->client) == 404)
        snprintf(message, sizeof message,
                 "the connection was lost after %" PRIu64 " bytes, and the stream is gone",
                 f->received);
    else
        snprintf(message, sizeof message, "after %" PRIu64 " bytes: %s", f->received,
                 what_broke(f));
    pfs_fail(f->r, f->path, message);
    return false;
}

/* What a refusal means for who was reading already. True: ask again. */
static bool refused(struct pfs_follow *f)
{
    long status = client_status(f->r->client);
    /* It ends before where we are. */
    if (status == 416 && f->frames.at >= 0) {
        begin_anew(f);
        return true;
    }
    /* Whoever made it may make it again soon, and a server that has just begun may
     * not be all there yet. */
    if (status == 404 || status >= 500)
        return try_again(f);
    pfs_fail_call(f->r, f->path);
    return false;
}

enum next { ASK_AGAIN, ENDED, FAILED };

static enum next after(struct pfs_follow *f, enum client_end end, bool first)
{
    if (f->other) {
        begin_anew(f);
        return ASK_AGAIN;
    }
    if (f->wrong) {
        pfs_fail(f->r, f->path, "the server did not send what was asked for");
        return FAILED;
    }
    if (end == CLIENT_STOPPED || end == CLIENT_INTERRUPTED)
        return ENDED;
    /* The end is in the frames; what happens behind it does not matter. */
    if (f->framed ? f->frames.ended : end == CLIENT_DONE)
        return ENDED;
    if (first && (end == CLIENT_REFUSED || end == CLIENT_UNREACHABLE)) {
        pfs_fail_call(f->r, f->path);
        return FAILED;
    }
    bool again = end == CLIENT_REFUSED ? refused(f) : try_again(f);
    return again ? ASK_AGAIN : pfs_interrupted() ? ENDED : FAILED;
}

static int run(struct pfs_follow *f)
{
    for (bool first = true;; first = false) {
        int64_t begun_ns = clock_ns();
        enum client_end end = attempt(f, first);
        /* One that held is a success, however little was written meanwhile. */
        if (f->framed && clock_ns() - begun_ns > f->retry.window_ns)
            pfs_retry_reset(&f->retry);
        enum next next = after(f, end, first);
        if (next != ASK_AGAIN)
            return next == ENDED ? PFS_OK : PFS_FAILED;
    }
}

int pfs_follow(struct pfs_follow *f)
{
    const struct pfs_run *r = f->r;
    f->retry.window_ns = r->options->retry_ns;
    /* An offset by --from is like one that we have read up to: what lies between it
     * and the first byte that comes is lost. */
    f->frames = (struct pfs_frames){
        .take = take, .lose = lose, .user = f, .at = offset_of(f->from)};
    /* That is where the original begins, too, and all it can. */
    if (f->from && !strcmp(f->from, "oldest"))
        f->from = NULL;
    if ((f->from && !client_can(r->client, CLIENT_FROM)) ||
        (f->policy && !client_can(r->client, CLIENT_POLICY))) {
        if (!client_status(r->client))
            return pfs_fail_call(r, f->path);
        return pfs_fail(r, f->path, "this server knows neither --from nor --policy");
    }
    pfs_interrupt_begin();
    pfs_progress_begin(&f->progress, "received", 0, f->output_fd);
    int status = run(f);
    pfs_progress_end();
    tell_losses(f, true);
    return status;
}
