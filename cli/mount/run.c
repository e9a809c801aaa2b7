/* SPDX-License-Identifier: MIT
 *
 * One run of gostream-mount; see run.h. The main thread sleeps in poll() and
 * does what signals, metadata, the end of the mount and the clock call for;
 * FUSE, the engine and the watch have threads of their own. */
#include "mount/run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <gostream.h>

#include "common/clock.h"
#include "common/endpoint.h"
#include "common/say.h"
#include "common/text.h"
#include "mount/ending.h"
#include "mount/expand.h"
#include "mount/mountpoint.h"
#include "mount/progress.h"
#include "mount/reads.h"
#include "mount/session.h"
#include "mount/sources.h"
#include "mount/tree.h"
#include "mount/watch.h"

#define LEAST_RAM (UINT64_C(1) << 20)
/* To list, nothing is fetched, and the budget is only a number: room for two of the
 * largest pieces that there can be, and some. */
#define LIST_RAM ((UINT64_C(4) << 30) + (UINT64_C(4) << 20))

struct run {
    const struct options *options;
    struct opt_list peers; /* numeric, owned */
    int signal_fd, wake_fd;
    struct tree *tree;
    struct reads *reads;
    struct watch *watch;
    struct session *session;
    gos_session *engine;
    struct sources *sources;
    struct progress progress;
    int64_t metadata_until_ns; /* INT64_MAX: for ever */
    time_t started;
    bool mounted;
    bool settled; /* no source is waited for any more: announced, or listed */
    bool over;
    struct run_result result;
};

static void stop(struct run *r, int status)
{
    r->over = true;
    r->result.status = status;
}

/* ---- setting up ---- */

static int resolve_peers(struct run *r)
{
    const struct opt_list *given = &r->options->peers;
    r->peers.items = calloc(given->n + 1, sizeof *r->peers.items);
    if (!r->peers.items)
        return -1;
    for (size_t i = 0; i < given->n; i++) {
        char numeric[ENDPOINT_MAX];
        const char *wrong = endpoint_resolve(numeric, given->items[i]);
        if (wrong) {
            say("--peer %s: %s; an address like 192.0.2.7:6881 needs no look-up",
                SHOWN(given->items[i]), wrong);
            return -1;
        }
        r->peers.items[i] = strdup(numeric);
        if (!r->peers.items[i])
            return -1;
        r->peers.n++;
    }
    return 0;
}

static void log_line(void *user, enum gos_log_level level, const char *line)
{
    (void)user;
    (void)level;
    say("%s", line);
}

static bool any_magnet(const struct options *o)
{
    for (size_t i = 0; i < o->sources.n; i++)
        if (expand_is_magnet(o->sources.items[i]))
            return true;
    return false;
}

/* What is below the session's own least is refused by the torrent, which can say how
 * much it needs. */
static uint64_t budget(const struct options *o)
{
    if (o->list)
        return LIST_RAM;
    return o->ram > LEAST_RAM ? o->ram : LEAST_RAM;
}

/* The books of a budget that cannot be had would fill the memory there is. */
static int check_ram(const struct options *o)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (o->list || pages <= 0 || page <= 0)
        return 0;
    uint64_t all = (uint64_t)pages * (uint64_t)page;
    if (o->ram <= all)
        return 0;
    say("--ram: %" PRIu64 " MiB are more than this machine has (%" PRIu64 " MiB)", o->ram >> 20,
        all >> 20);
    return -1;
}

static int start_engine(struct run *r)
{
    const struct options *o = r->options;
    /* To list .torrent files nobody outside need be asked. */
    bool offline = o->list && !any_magnet(o);
    const struct gos_session_opts opts = {
        .struct_size = sizeof opts,
        .ram = budget(o),
        .listen = offline ? "127.0.0.1:0" : o->listen,
        .download_bps = o->download_rate,
        .no_dht = o->no_dht || offline,
        .no_lsd = o->no_lsd || offline,
        .no_pex = o->no_pex,
        .sleep_after_ns = o->sleep_after_ns ? o->sleep_after_ns : -1,
        .log = log_line,
        .log_level = o->verbose ? GOS_LOG_INFO : GOS_LOG_WARN,
    };
    int rc = gos_session_new(&r->engine, &opts);
    if (rc < 0) {
        const char *why = gos_last_error();
        say("%s", *why ? why : gos_strerror(rc));
        return -1;
    }
    const struct sources_config config = {
        .texts = &o->sources, .peers = &r->peers, .list = o->list, .wake_fd = r->wake_fd};
    r->sources = sources_new(r->engine, &config);
    return r->sources ? 0 : -1;
}

static int make_session(struct run *r)
{
    const struct session_config config = {.tree = r->tree,
                                          .reads = r->reads,
                                          .allow_other = r->options->allow_other,
                                          .options = r->options->fuse.items,
                                          .n_options = r->options->fuse.n,
                                          .wake_fd = r->wake_fd};
    r->session = session_new(&config);
    return r->session ? 0 : -1;
}

/* 0, or the exit status. */
static int set_up(struct run *r)
{
    const struct options *o = r->options;
    /* Before signals are held back: these may wait for the network or a dead
     * file system, and there is nothing to clean up yet. */
    if (check_ram(o) < 0 || resolve_peers(r) < 0)
        return 1;
    if (!o->list && mountpoint_check(o->mountpoint) < 0)
        return 1;

    r->started = time(NULL);
    r->signal_fd = ending_block_signals();
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->tree = tree_new(r->started);
    r->reads = reads_new(o->read_timeout_ns);
    if (r->signal_fd < 0 || r->wake_fd < 0 || !r->tree || !r->reads) {
        say("%s", strerror(errno));
        return 1;
    }
    if (!o->list && make_session(r) < 0)
        return 2;
    if (start_engine(r) < 0)
        return 1;
    r->metadata_until_ns = o->metadata_timeout_ns ? clock_ns() + o->metadata_timeout_ns : INT64_MAX;
    progress_init(&r->progress, o->verbose, clock_ns());
    return 0;
}

/* ---- while it runs ---- */

static void mount_now(struct run *r)
{
    r->watch = watch_start(r->reads);
    if (!r->watch) {
        say("cannot start a thread: %s", strerror(errno));
        stop(r, 1);
        return;
    }
    if (session_mount(r->session, r->options->mountpoint) < 0) {
        if (r->options->allow_other && geteuid() != 0)
            say("--allow-other needs a line user_allow_other in /etc/fuse.conf");
        stop(r, 1);
        return;
    }
    r->mounted = true;
}

/* What is new of one source. True if it brought files. */
static bool take_one(struct run *r, struct source *source)
{
    if (source->told || source->state == SOURCE_WAITING)
        return false;
    source->told = true;
    if (source->state == SOURCE_TWIN) {
        sources_say_twin(source);
        return false;
    }
    if (source->state == SOURCE_REFUSED) {
        say("%s: %s", SHOWN(source->text), source->why ? source->why : strerror(ENOMEM));
        if (!r->settled)
            stop(r, 1);
        return false;
    }
    const struct tree_node *top = source_plant(source, r->tree, r->started);
    if (top && r->mounted)
        session_root_grew(r->session, top);
    return top != NULL;
}

/* The mount is made when there is something to see: an empty one would look like
 * a library that was lost. */
static void take_news(struct run *r)
{
    bool any = false;
    sources_update(r->sources);
    for (size_t i = 0; i < sources_count(r->sources); i++)
        any |= take_one(r, sources_at(r->sources, i));
    if (any && !r->mounted && !r->options->list && !r->over)
        mount_now(r);
}

static size_t count_state(struct run *r, enum source_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < sources_count(r->sources); i++)
        n += sources_at(r->sources, i)->state == state;
    return n;
}

static void say_timed_out(struct run *r)
{
    for (size_t i = 0; i < sources_count(r->sources); i++) {
        const struct source *source = sources_at(r->sources, i);
        if (source->state == SOURCE_WAITING)
            say("%s: warning: no metadata within %.3g s; are there peers? (--peer, "
                "--metadata-timeout)%s",
                SHOWN(source->text), (double)r->options->metadata_timeout_ns / 1e9,
                r->mounted ? " Its files appear if it still comes" : "");
    }
}

static void print_list(struct tree *tree, const struct tree_node *dir)
{
    const struct tree_node *node;
    for (size_t i = 0; (node = tree_child_at(tree, dir, i)); i++) {
        char path[8192];
        if (node->is_dir) {
            print_list(tree, node);
            continue;
        }
        printf("%14" PRIu64 "  ", node->size);
        text_write(stdout, tree_path(node, path, sizeof path));
        putchar('\n');
    }
}

static void list(struct run *r)
{
    print_list(r->tree, tree_root(r->tree));
    int failed = fflush(stdout) != 0 || ferror(stdout);
    if (failed)
        say("cannot write the list: %s", strerror(errno));
    stop(r, failed);
}

/* Once everything is known, or the time for it is over. */
static void settle(struct run *r)
{
    if (count_state(r, SOURCE_WAITING) > 0 && clock_ns() < r->metadata_until_ns)
        return;
    r->settled = true;
    say_status_end();
    say_timed_out(r);
    if (tree_count_files(r->tree) == 0) {
        say("no SOURCE could be read");
        stop(r, 1);
    } else if (r->options->list) {
        list(r);
    } else {
        size_t n = tree_count_files(r->tree);
        say_bare("mounted %zu file%s at %s", n, n == 1 ? "" : "s", SHOWN(r->options->mountpoint));
    }
}

static void take_signal(struct run *r)
{
    struct signalfd_siginfo info;
    if (read(r->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    stop(r, 0);
    if (!r->mounted)
        r->result.signal = (int)info.ssi_signo;
}

static int poll_timeout(struct run *r)
{
    int64_t next = progress_next_ns(&r->progress, !r->settled);
    if (!r->settled && r->metadata_until_ns < next)
        next = r->metadata_until_ns;
    if (next == INT64_MAX)
        return -1;
    int64_t left = next - clock_ns();
    return left <= 0 ? 0 : (int)(left / 1000000 + 1);
}

static void step(struct run *r)
{
    struct pollfd fds[] = {{.fd = r->signal_fd, .events = POLLIN},
                           {.fd = r->wake_fd, .events = POLLIN}};
    uint64_t count;
    if (poll(fds, 2, poll_timeout(r)) < 0 && errno != EINTR) {
        say("poll: %s", strerror(errno));
        stop(r, 1);
        return;
    }
    if (fds[0].revents)
        take_signal(r);
    if (r->over)
        return;
    if (fds[1].revents && read(r->wake_fd, &count, sizeof count) > 0)
        take_news(r);
    if (r->mounted && session_ended(r->session))
        stop(r, 0);
    progress_tick(&r->progress, r->sources, r->engine, !r->settled, clock_ns());
}

/* ---- taking down ---- */

static void unmount(struct run *r)
{
    if (r->reads)
        reads_end(r->reads);
    watch_stop(r->watch);
    if (!r->session)
        return;
    session_unmount(r->session);
    /* umount -f cuts the connection but may leave the mount. */
    if (r->mounted)
        mountpoint_clean(r->options->mountpoint);
    session_free(r->session);
}

static void take_down(struct run *r)
{
    say_status_end();
    ending_begin(r->result);
    unmount(r);
    if (r->reads)
        reads_close_all(r->reads);
    sources_free(r->sources);
    if (r->engine && gos_session_close(r->engine, ending_left_ns()) == GOS_ETIMEDOUT)
        return; /* threads are left that may still come here: keep what they use */
    reads_free(r->reads);
    tree_free(r->tree);
    for (size_t i = 0; i < r->peers.n; i++)
        free((char *)(uintptr_t)r->peers.items[i]);
    free(r->peers.items);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
    if (r->signal_fd >= 0)
        close(r->signal_fd);
}

struct run_result run(const struct options *options)
{
    struct run r = {.options = options, .signal_fd = -1, .wake_fd = -1};
    int failed = set_up(&r);
    if (failed) {
        r.result.status = failed;
    } else {
        take_news(&r);
        while (!r.over) {
            if (!r.settled)
                settle(&r);
            if (!r.over)
                step(&r);
        }
    }
    take_down(&r);
    return r.result;
}
