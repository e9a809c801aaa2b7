/* SPDX-License-Identifier: MIT
 *
 * The FUSE session; see session.h. The loop is our own because libfuse's makes
 * and ends threads as the load changes, and leaves no way to stop it from
 * another thread. */
#include "mount/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/say.h"
#include "common/text.h"
#include "mount/ops.h"

/* Handlers never wait, so two threads are enough for any number of readers. */
#define THREADS 2

/* nosuid to noexec: a swarm is not to bring programs. */
#define OPTIONS "ro,nosuid,nodev,noexec,default_permissions,fsname=gostream,subtype=gostream"

struct server {
    struct session *session;
    struct fuse_buf buf;
    pthread_t thread;
    bool running;
};

struct session {
    struct fuse_session *fuse;
    struct ops ops;
    struct server servers[THREADS];
    int wake_fd;
    bool mounted;
    atomic_bool ended; /* set by a server, read by the main thread */
};

/* What libfuse says while it reads options, in pieces of a sentence; main thread. */
struct hearing {
    bool on;
    char text[512];
};
static struct hearing hearing;

/* libfuse speaks in lines of its own. */
__attribute__((format(printf, 2, 0))) static void log_line(enum fuse_log_level level,
                                                           const char *format, va_list args)
{
    char line[512];
    if (level > FUSE_LOG_WARNING)
        return;
    if (hearing.on) {
        size_t n = strlen(hearing.text);
        vsnprintf(hearing.text + n, sizeof hearing.text - n, format, args);
        return;
    }
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    say("%s", SHOWN(line));
}

/* What it names between its quotation marks, without the -o; NULL: nothing. */
static char *named_option(char *said)
{
    char *from = strchr(said, '`'), *to = from ? strrchr(from, '\'') : NULL;
    if (!to)
        return NULL;
    *to = '\0';
    from++;
    return strncmp(from, "-o ", 3) ? from : from + 3;
}

/* In our words, of what it said about options. */
static void say_wrong_option(void)
{
    bool unknown = strstr(hearing.text, "unknown option");
    char *name = named_option(hearing.text);
    hearing.text[strcspn(hearing.text, "\n")] = '\0';
    if (!name)
        say("%s", *hearing.text ? SHOWN(hearing.text) : strerror(ENOMEM));
    else if (unknown)
        say("-o %s: no such option of a mount; mount(8) and fuse(8) list them", SHOWN(name));
    else
        say("-o %s: its value cannot be used", SHOWN(name));
}

static int add_option(struct fuse_args *args, const char *option)
{
    if (fuse_opt_add_arg(args, "-o") < 0)
        return -1;
    return fuse_opt_add_arg(args, option);
}

static int fill_args(struct fuse_args *args, const struct session_config *config)
{
    if (fuse_opt_add_arg(args, "gostream-mount") < 0 || add_option(args, OPTIONS) < 0)
        return -1;
    if (config->allow_other && add_option(args, "allow_other") < 0)
        return -1;
    for (size_t i = 0; i < config->n_options; i++)
        if (add_option(args, config->options[i]) < 0)
            return -1;
    return 0;
}

struct session *session_new(const struct session_config *config)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->wake_fd = config->wake_fd;
    s->ops.tree = config->tree;
    s->ops.reads = config->reads;
    s->ops.uid = geteuid();
    s->ops.gid = getegid();
    fuse_set_log_func(log_line);
    hearing = (struct hearing){.on = true};
    if (fill_args(&args, config) == 0)
        s->fuse = fuse_session_new(&args, &ops_table, sizeof ops_table, &s->ops);
    hearing.on = false;
    fuse_opt_free_args(&args);
    if (!s->fuse) {
        say_wrong_option();
        free(s);
        return NULL;
    }
    return s;
}

/* ---- serving ---- */

static ssize_t io_read(int fd, void *buf, size_t size, void *userdata)
{
    return custom_io_read(&((struct ops *)userdata)->io, fd, buf, size);
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
    return custom_io_writev(&((struct ops *)userdata)->io, fd, iov, count);
}

static void *serve(void *arg)
{
    struct server *server = arg;
    struct session *s = server->session;
    const uint64_t one = 1;
    /* custom_io_read() allows it where nothing is held. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    while (!fuse_session_exited(s->fuse)) {
        int n = fuse_session_receive_buf(s->fuse, &server->buf);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            break;
        fuse_session_process_buf(s->fuse, &server->buf);
    }
    atomic_store(&s->ended, true);
    if (write(s->wake_fd, &one, sizeof one) < 0)
        say("cannot wake the main thread: %s", strerror(errno));
    return NULL;
}

static int start_servers(struct session *s)
{
    for (size_t i = 0; i < THREADS; i++) {
        struct server *server = &s->servers[i];
        char name[16];
        server->session = s;
        int rc = pthread_create(&server->thread, NULL, serve, server);
        if (rc) {
            say("cannot start a thread: %s", strerror(rc));
            return -1;
        }
        server->running = true;
        snprintf(name, sizeof name, "gos-fuse-%zu", i);
        pthread_setname_np(server->thread, name);
    }
    return 0;
}

static void stop_servers(struct session *s)
{
    fuse_session_exit(s->fuse);
    for (size_t i = 0; i < THREADS; i++) {
        if (!s->servers[i].running)
            continue;
        pthread_cancel(s->servers[i].thread);
        pthread_join(s->servers[i].thread, NULL);
        s->servers[i].running = false;
    }
}

int session_mount(struct session *s, const char *dir)
{
    const struct fuse_custom_io io = {.read = io_read, .writev = io_writev};
    if (fuse_session_mount(s->fuse, dir) < 0) {
        say("%s: cannot be mounted here", SHOWN(dir));
        return -1;
    }
    s->mounted = true;
    /* Mounted by libfuse, so that it knows what to unmount; then read and
     * written by us. */
    int rc = fuse_session_custom_io(s->fuse, &io, fuse_session_fd(s->fuse));
    if (rc < 0) {
        say("%s: %s", SHOWN(dir), strerror(-rc));
        return -1;
    }
    return start_servers(s);
}

bool session_ended(const struct session *s)
{
    return atomic_load(&s->ended);
}

void session_unmount(struct session *s)
{
    stop_servers(s);
    if (s->mounted)
        fuse_session_unmount(s->fuse);
    s->mounted = false;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    session_unmount(s);
    fuse_session_destroy(s->fuse);
    for (size_t i = 0; i < THREADS; i++)
        free(s->servers[i].buf.mem);
    free(s);
}

void session_root_grew(struct session *s, const struct tree_node *added)
{
    /* The name may be known as missing; the list of names may be cached. */
    fuse_lowlevel_notify_inval_entry(s->fuse, TREE_ROOT_INO, added->name, strlen(added->name));
    fuse_lowlevel_notify_inval_inode(s->fuse, TREE_ROOT_INO, 0, 0);
}
