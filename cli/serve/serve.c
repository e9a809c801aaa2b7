/* SPDX-License-Identifier: MIT
 *
 * `pfs serve` from its options to its end. The main thread sets everything up,
 * waits for a signal, and takes everything down; loops and worker do the rest. */
#include "serve/serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/say.h"
#include "serve/config.h"
#include "serve/log.h"
#include "serve/options.h"
#include "serve/owner.h"
#include "serve/server.h"
#include "serve/streamfs.h"

#define SWEEP_NS SECOND
#define BODIES_LEAST ((size_t)256 << 20) /* of all bodies that are under way, together */
#define SEARCHES_MAX 64                  /* that wait for their turn */
#define FIGURES_MAX 4096                 /* likewise; each takes a moment */

static int refuse(int status, const char *why)
{
    say("%s", why);
    if (status == 2)
        say("see pfs serve --help");
    return status;
}

/* What was asked for is on stdout; a reader that has enough is not an error. */
static int printed(int rc)
{
    if (rc == 0 || errno == EPIPE)
        return 0;
    say("stdout: %s", strerror(errno));
    return 1;
}

/* ---- once a second ---- */

static void sweep(struct http_timer *timer)
{
    struct server *sv = OWNER(timer, struct server, sweep);
    struct mount *all[MOUNTS_MAX];
    gos_ring_set_sweep(sv->room.set);
    size_t n = mounts_snapshot(&sv->tree.mounts, all);
    for (size_t i = 0; i < n; i++) {
        if (streamfs_is(all[i]->fs))
            streamfs_sweep(all[i]->fs);
        mount_unref(all[i]);
    }
    handles_expire(&sv->handles);
    http_timer_set(sv->sweep_loop, timer, http_loop_now(sv->sweep_loop) + SWEEP_NS);
}

static void *loop_begin(void *user, struct http_loop *loop)
{
    struct server *sv = user;
    if (http_loop_index(loop) == 0) {
        sv->sweep_loop = loop;
        sv->sweep.run = sweep;
        http_timer_set(loop, &sv->sweep, http_loop_now(loop) + SWEEP_NS);
    }
    return sv;
}

static void loop_end(void *user, struct http_loop *loop)
{
    struct server *sv = user;
    if (http_loop_index(loop) == 0)
        http_timer_clear(loop, &sv->sweep);
}

/* ---- setting up ---- */

static int make_server(struct server *sv, const struct config *c, char why[CONFIG_WHY])
{
    const struct http_handler handler = {.user = sv,
                                         .request = server_request,
                                         .error_body = server_error_body,
                                         .loop_begin = loop_begin,
                                         .loop_end = loop_end};
    /* One body of the largest size must have room beside others. */
    const size_t bodies = c->body_max > BODIES_LEAST / 2 ? 2 * c->body_max : BODIES_LEAST;
    const struct http_options options = {.loops = (unsigned)c->threads,
                                         .max_connections = (unsigned)c->max_connections,
                                         .max_buffered = bodies,
                                         .look_ns = c->busy_poll_ns ? c->busy_poll_ns : -1};
    const struct gos_ring_set_opts set = {.struct_size = sizeof set,
                                          .max_streams = c->max_streams,
                                          .max_readers = c->max_readers,
                                          .max_bytes = c->memory_limit};
    sv->body_max = c->body_max;
    sv->deposits_max = bodies - bodies / 8;
    sv->started_wall_ns = fs_now_ns();
    sv->room.max_bytes = c->memory_limit;
    sv->http = http_server_new(&handler, &options);
    if (!sv->http || gos_ring_set_new(&sv->room.set, &set) < 0) {
        snprintf(why, CONFIG_WHY, "out of memory or descriptors");
        return -1;
    }
    sv->room.n_loops = http_server_loops(sv->http);
    return 0;
}

static int mount_all(struct server *sv, const struct config *c, char why[CONFIG_WHY])
{
    for (size_t i = 0; i < c->n_mounts; i++) {
        const struct config_mount *m = &c->mounts[i];
        struct problem p;
        struct fs *fs;
        unsigned line;
        if (kinds_make(m->kind, &fs, m->config, &sv->room, &line, &p) < 0 ||
            mounts_add(&sv->tree.mounts, m->path, m->kind, fs, m->instance, m->config, &p) < 0) {
            snprintf(why, CONFIG_WHY, "%s: %.900s", m->path, p.text);
            return -1;
        }
    }
    return 0;
}

/* Longer than any that can be listened at; one that is cut is refused, too. */
#define ADDRESS_MAX 256

static void socket_address(char out[ADDRESS_MAX], const struct config *c)
{
    snprintf(out, ADDRESS_MAX, "unix:%s", c->unix_socket);
}

static int check_addresses(const struct config *c, char why[CONFIG_WHY])
{
    char address[ADDRESS_MAX];
    if (http_address_check(c->address, why, CONFIG_WHY) < 0)
        return -1;
    if (!c->unix_socket)
        return 0;
    socket_address(address, c);
    return http_address_check(address, why, CONFIG_WHY);
}

static int listen_all(struct server *sv, const struct config *c, char why[CONFIG_WHY])
{
    char address[ADDRESS_MAX];
    if (http_server_listen(sv->http, c->address, why, CONFIG_WHY) < 0)
        return -1;
    if (!c->unix_socket)
        return 0;
    socket_address(address, c);
    return http_server_listen(sv->http, address, why, CONFIG_WHY);
}

static void announce(const struct server *sv, const char *ready_fd)
{
    FILE *ready = ready_fd ? fdopen(atoi(ready_fd), "w") : NULL;
    const char *address;
    for (unsigned i = 0; (address = http_server_address(sv->http, i)) != NULL; i++) {
        bool unix_socket = strncmp(address, "unix:", 5) == 0;
        log_say(LEVEL_INFO, "listening on %s%s", unix_socket ? "" : "http://", address);
        if (ready)
            fprintf(ready, "%s%s\n", unix_socket ? "" : "http://", address);
    }
    if (ready_fd && (!ready || fclose(ready) != 0))
        log_say(LEVEL_WARN, "--ready-fd %s: %s; who waits there is not told", ready_fd,
                strerror(errno));
}

/* ---- the end ---- */

static void drop_job(struct worker_job *job)
{
    /* Its exchange has ended with the loops; its own end is what is left. */
    job->task.run(&job->task);
}

static void take_down(struct server *sv, int status)
{
    if (!worker_stop(&sv->searches, drop_job) || !worker_stop(&sv->figures, drop_job)) {
        log_say(LEVEL_WARN, "a search or a listing would not end and is given up");
        _exit(status); /* it still uses what would be freed */
    }
    handles_finish(&sv->handles);
    tree_finish(&sv->tree);
    gos_ring_set_unref(sv->room.set);
    http_server_free(sv->http);
}

static void seal_all(struct server *sv)
{
    struct mount *all[MOUNTS_MAX];
    size_t n = mounts_snapshot(&sv->tree.mounts, all);
    for (size_t i = 0; i < n; i++) {
        if (streamfs_is(all[i]->fs))
            streamfs_seal_all(all[i]->fs);
        mount_unref(all[i]);
    }
}

static void wait_for_end(struct server *sv, const sigset_t *signals, int64_t drain_ns)
{
    int which = 0;
    while (sigwait(signals, &which) != 0)
        continue;
    /* From now on the next one ends us at once. */
    sigset_t ending = *signals;
    signal(which, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &ending, NULL);

    log_say(LEVEL_INFO, "ending: streams are sealed, readers have %.3g s to read the rest",
            (double)drain_ns / (double)SECOND);
    atomic_store(&sv->ending, true);
    http_server_drain(sv->http);
    seal_all(sv);
    http_server_stop(sv->http, drain_ns);
}

static int run(const struct config *c, const char *ready_fd)
{
    static struct server server; /* one per process; too large for a stack */
    struct server *sv = &server;
    char why[CONFIG_WHY];
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    http_raise_descriptor_limit();

    tree_init(&sv->tree);
    handles_init(&sv->handles);
    int status = 0;
    if (make_server(sv, c, why) < 0 || mount_all(sv, c, why) < 0 || listen_all(sv, c, why) < 0) {
        status = refuse(1, why);
    } else if (worker_start(&sv->searches, "pfs-worker", WORKER_THREADS_MAX, SEARCHES_MAX) < 0 ||
               worker_start(&sv->figures, "pfs-figures", 1, FIGURES_MAX) < 0 ||
               http_server_start(sv->http) < 0) {
        status = refuse(1, "no threads or descriptors left");
    } else {
        announce(sv, ready_fd);
        wait_for_end(sv, &signals, c->drain_timeout_ns);
    }
    take_down(sv, status);
    return status;
}

/* Checked when it was read. */
static void set_log_level(const struct config *c)
{
    enum log_level level = LEVEL_INFO;
    log_level_parse(&level, c->log_level);
    log_init(level);
}

static int configured(const struct serve_options *options)
{
    struct config c;
    char why[CONFIG_WHY] = "out of memory";
    int status;
    if (config_init(&c) < 0)
        return refuse(1, why);
    if ((options->config && config_read_file(&c, options->config, why) < 0) ||
        serve_options_apply(options, &c, why) < 0 || config_check(&c, why) < 0 ||
        check_addresses(&c, why) < 0) {
        status = refuse(1, why);
    } else if (options->print_config) {
        status = printed(config_print(&c, stdout));
    } else {
        set_log_level(&c);
        status = run(&c, options->ready_fd);
    }
    config_finish(&c);
    return status;
}

int serve_main(int argc, char **argv)
{
    struct serve_options options;
    char why[2048];
    say_init("pfs serve");
    if (serve_options_parse(&options, argc, argv, why, sizeof why) < 0)
        return refuse(2, why);
    if (options.help) {
        serve_options_help(stdout);
        return printed(fflush(stdout));
    }
    return configured(&options);
}
