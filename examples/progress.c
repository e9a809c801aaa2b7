/* SPDX-License-Identifier: CC0-1.0
 *
 * The largest file of each torrent into a folder, with a line for each that says
 * how it goes:
 *
 *     cc progress.c $(pkg-config --cflags --libs libgostream) -o progress
 *     ./progress [-p PEER] FOLDER film.torrent 'magnet:?...'
 *
 * One thread and one poll() for everything: events of the session come by its
 * descriptor, reads that are done by a pipe. Ctrl-C ends it cleanly. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* ppoll */
#endif

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gostream.h>

#define MIB 1048576.0
#define SECOND 1000000000
#define CHUNK (1024 * 1024)
#define MOST 32 /* torrents */
#define REDRAW_NS (SECOND / 5)
#define WORDS_NS (10 * (int64_t)SECOND) /* for how long what happened is shown */

struct film {
    gos_torrent *torrent;
    gos_source *source; /* NULL: nothing of it is read (yet, or any more) */
    FILE *out;
    int done_fd; /* where a read that is done is told */
    uint64_t size, at;
    struct gos_read read;
    bool pending, over;
    bool blocked; /* as the events say */
    int64_t blocked_since_ns, words_ns;
    char words[100]; /* what happened last */
    char buf[CHUNK];
};

struct show {
    gos_session *session;
    struct film *films[MOST];
    size_t n;
    int done[2]; /* a pipe of struct film * whose read is done */
    const char *folder;
    size_t drawn; /* lines on the terminal that are ours */
    bool failed;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void say(struct film *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(f->words, sizeof f->words, format, args);
    va_end(args);
    f->words_ns = now_ns();
}

/* ---- reading ---- */

/* On a thread of the session: only pass it on. */
static void on_done(struct gos_read *read)
{
    struct film *f = read->user;
    /* A pointer is written whole or not at all, and there are never more than MOST. */
    while (write(f->done_fd, &f, sizeof f) < 0 && errno == EINTR)
        ;
}

static void end(struct show *show, struct film *f, bool failed)
{
    show->failed |= failed;
    f->over = true;
    gos_source_unref(f->source);
    f->source = NULL;
    if (f->out && fclose(f->out) != 0) {
        say(f, "cannot be written: %s", strerror(errno));
        show->failed = true;
    }
    f->out = NULL;
}

/* Take what a read gave, and begin the next. */
static void read_on(struct show *show, struct film *f, int64_t got)
{
    if (got < 0) {
        say(f, "stopped: %s", gos_strerror((int)got));
        end(show, f, !interrupted);
        return;
    }
    if (fwrite(f->buf, 1, (size_t)got, f->out) != (size_t)got) {
        say(f, "cannot be written: %s", strerror(errno));
        end(show, f, true);
        return;
    }
    f->at += (uint64_t)got;
    if (f->at == f->size || interrupted) {
        end(show, f, false);
        return;
    }
    f->read = (struct gos_read){.struct_size = sizeof f->read,
                                .off = f->at,
                                .len = CHUNK,
                                .buf = f->buf,
                                .flags = GOS_READ_PARTIAL,
                                .done = on_done,
                                .user = f};
    int rc = gos_source_start(f->source, &f->read);
    f->pending = rc >= 0;
    if (rc < 0)
        read_on(show, f, rc);
    else if (rc > 0) /* answered already; the others have their turn all the same */
        on_done(&f->read);
}

/* The metadata is known: open the largest file, and a place to put it. */
static void begin(struct show *show, struct film *f)
{
    struct gos_file_info file = {.struct_size = sizeof file};
    char path[4096];
    size_t largest = 0;
    for (size_t i = 0; gos_torrent_get_file(f->torrent, i, &file) == 0; i++) {
        if (i == 0 || file.size > f->size) {
            largest = i;
            f->size = file.size;
        }
    }
    if (gos_torrent_open_reader(f->torrent, largest,
                                GOS_OPTS(gos_torrent_reader_opts, .kind = GOS_READER_PLAY),
                                &f->source) < 0) {
        say(f, "%s", gos_last_error());
        end(show, f, true);
        return;
    }
    gos_torrent_get_file(f->torrent, largest, &file);
    const char *slash = strrchr(file.path, '/');
    snprintf(path, sizeof path, "%s/%s", show->folder, slash ? slash + 1 : file.path);
    f->out = fopen(path, "wb");
    if (!f->out) {
        say(f, "%s: %s", path, strerror(errno));
        end(show, f, true);
        return;
    }
    read_on(show, f, 0);
}

/* ---- events ---- */

static void on_event(struct show *show, const struct gos_event *e)
{
    struct film *f = NULL;
    for (size_t i = 0; i < show->n; i++) {
        if (gos_torrent_id(show->films[i]->torrent) == e->torrent)
            f = show->films[i];
    }
    if (!f)
        return;
    if (e->kind == GOS_EVENT_METADATA)
        begin(show, f);
    else if (e->kind == GOS_EVENT_BAD_PIECE)
        say(f, "piece %" PRIu32 " was bad", e->piece);
    else if (e->kind == GOS_EVENT_PEER_BANNED)
        say(f, "%s lied and was banned", e->peer);
    else if (e->kind == GOS_EVENT_ERROR) {
        say(f, "stopped: %s", e->text);
        if (!f->source)
            end(show, f, true); /* else its read ends, and says so */
    } else if (e->kind == GOS_EVENT_BLOCKED || e->kind == GOS_EVENT_UNBLOCKED) {
        f->blocked = e->kind == GOS_EVENT_BLOCKED;
        f->blocked_since_ns = e->since_ns;
    }
}

/* ---- the display ---- */

static void draw_film(const struct film *f, int64_t now)
{
    struct gos_torrent_info info = {.struct_size = sizeof info, .name = "?"};
    struct gos_torrent_stats t = {.struct_size = sizeof t};
    struct gos_torrent_reader_stats r = {.struct_size = sizeof r};
    gos_torrent_get_info(f->torrent, &info);
    gos_torrent_get_stats(f->torrent, &t);
    fprintf(stderr, "%-24.24s %5.1f %% %6.1f MB/s  peers %" PRIu32 "/%" PRIu32 "+%" PRIu32,
            info.name, f->size ? 100.0 * (double)f->at / (double)f->size : 0.0,
            (double)t.traffic.rate / MIB, t.peers_unchoked, t.peers, t.peers_connecting);
    if (f->source && gos_torrent_reader_get_stats(f->source, &r) == 0)
        fprintf(stderr, "  ahead %.1f of %.1f MB", (double)r.ready / MIB, (double)r.window / MIB);
    if (f->blocked)
        fprintf(stderr, "  waits %.1f s", (double)(now - f->blocked_since_ns) / SECOND);
    else if (f->words[0] && (f->over || now - f->words_ns < WORDS_NS))
        fprintf(stderr, "  %s", f->words);
    else if (f->over)
        fprintf(stderr, "  done");
}

static void draw(struct show *show)
{
    int64_t now = now_ns();
    bool terminal = isatty(STDERR_FILENO);
    if (terminal && show->drawn)
        fprintf(stderr, "\033[%zuA", show->drawn);
    for (size_t i = 0; i < show->n; i++) {
        draw_film(show->films[i], now);
        fprintf(stderr, terminal ? "\033[K\n" : "\n");
    }
    show->drawn = show->n;
}

/* ---- from the beginning to the end ---- */

static int add(struct show *show, const char *what, const char *const *peers, size_t n_peers)
{
    struct gos_add_opts opts = {.struct_size = sizeof opts, .peers = peers, .n_peers = n_peers};
    struct film *f = calloc(1, sizeof *f);
    if (!f || show->n == MOST) {
        fprintf(stderr, "progress: too many torrents\n");
        free(f);
        return -1;
    }
    int rc = strncmp(what, "magnet:", 7)
                 ? gos_session_add_file(show->session, &f->torrent, what, &opts)
                 : gos_session_add_magnet(show->session, &f->torrent, what, &opts);
    if (rc < 0) {
        fprintf(stderr, "progress: %s: %s\n", what, gos_last_error());
        free(f);
        return rc;
    }
    f->done_fd = show->done[1];
    show->films[show->n++] = f;
    return 0;
}

/* Whether anything is left to wait for. */
static bool any(const struct show *show)
{
    for (size_t i = 0; i < show->n; i++) {
        const struct film *f = show->films[i];
        if (f->pending || (!f->over && !interrupted))
            return true;
    }
    return false;
}

/* Ctrl-C: what waits ends soon. */
static void cancel_all(struct show *show)
{
    for (size_t i = 0; i < show->n; i++) {
        if (show->films[i]->pending)
            gos_read_cancel(&show->films[i]->read);
    }
}

static void run(struct show *show)
{
    struct gos_event e = {.struct_size = sizeof e};
    sigset_t unblocked;
    bool cancelled = false;
    int64_t draw_at = 0, every = isatty(STDERR_FILENO) ? REDRAW_NS : SECOND;
    sigprocmask(SIG_SETMASK, NULL, &unblocked);
    sigdelset(&unblocked, SIGINT); /* comes in ppoll() only, so that none is missed */
    while (any(show)) {
        struct pollfd fds[2] = {{.fd = gos_session_event_fd(show->session), .events = POLLIN},
                                {.fd = show->done[0], .events = POLLIN}};
        const struct timespec wait = {.tv_nsec = REDRAW_NS};
        struct film *f;
        if (ppoll(fds, 2, &wait, &unblocked) > 0 && fds[1].revents &&
            read(show->done[0], &f, sizeof f) == (ssize_t)sizeof f) {
            f->pending = false;
            read_on(show, f, f->read.result);
        }
        while (gos_session_next_event(show->session, &e, 0) > 0)
            on_event(show, &e);
        if (interrupted && !cancelled)
            cancel_all(show);
        cancelled = interrupted;
        if (now_ns() >= draw_at) {
            draw(show);
            draw_at = now_ns() + every;
        }
    }
    draw(show);
}

static int start(struct show *show)
{
    const struct sigaction action = {.sa_handler = on_interrupt};
    sigset_t blocked;
    sigaction(SIGINT, &action, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    if (pipe(show->done) < 0) {
        perror("progress: pipe");
        return -1;
    }
    int rc = gos_session_new(&show->session, GOS_OPTS(gos_session_opts, .events = GOS_EVENT_ALL));
    if (rc < 0)
        fprintf(stderr, "progress: %s\n", gos_last_error());
    return rc;
}

static void finish(struct show *show)
{
    for (size_t i = 0; i < show->n; i++)
        gos_torrent_unref(show->films[i]->torrent);
    gos_session_close(show->session, 0);
    for (size_t i = 0; i < show->n; i++)
        free(show->films[i]);
}

int main(int argc, char **argv)
{
    struct show show = {.failed = false};
    const char *peers[MOST];
    size_t n_peers = 0;

    for (int c; (c = getopt(argc, argv, "p:")) != -1;) {
        if (c == 'p' && n_peers < MOST)
            peers[n_peers++] = optarg;
        else
            argc = 0;
    }
    if (argc - optind < 2) {
        fprintf(stderr, "Usage: progress [-p PEER]... FOLDER TORRENT-OR-MAGNET...\n");
        return 2;
    }
    show.folder = argv[optind];
    int rc = start(&show);
    for (int i = optind + 1; i < argc && rc >= 0; i++)
        rc = add(&show, argv[i], peers, n_peers);
    if (rc >= 0)
        run(&show);
    finish(&show);
    if (interrupted)
        return 130;
    return rc < 0 || show.failed;
}
