/* SPDX-License-Identifier: MIT
 *
 * Torrents from the command line; see sources.h. The waiting thread writes its
 * findings under the lock, the main thread copies them out. */
#include "mount/sources.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/say.h"
#include "common/text.h"

#define AWAKE_AT_START 10 /* .torrent files */

/* How long the thread waits for one of several magnets before it looks at the
 * others again. */
#define TURN_NS (INT64_C(20) * 1000000)

struct sources {
    const struct opt_list *texts; /* of the command line */
    struct expansion expansion;
    struct source *items; /* the main thread's view */
    size_t n;
    int wake_fd;
    gos_cancel *stop;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    /* guarded by lock */
    struct finding {
        enum source_state state;
        char *why;
    } * findings;
};

/* ---- adding ---- */

static const char *remedy(int rc)
{
    if (rc == GOS_EBUDGET)
        return "; give it more with --ram";
    return "";
}

static bool is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* What is wrong with a SOURCE, and what to do about it. */
static const char *complaint(const char *text, int rc)
{
    const char *why = gos_last_error();
    if (rc == -ENOENT && is_link(text))
        return "is a symbolic link to a file that does not exist";
    if (rc == -ENOENT && strstr(text, "://"))
        return "is a web address; fetch the .torrent file first";
    if (rc == -ENOENT)
        return "No such file or directory; give a .torrent file or a magnet link";
    return *why ? why : gos_strerror(rc);
}

void sources_say_twin(const struct source *source)
{
    say("%s: is the same torrent as one before; it is shown once", SHOWN(source->text));
}

/* 0, or an error of which `what` says whether it is one or a warning. */
static int add(gos_session *session, struct source *source, const struct gos_add_opts *opts,
               const char *what)
{
    const char *text = source->text;
    int rc = expand_is_magnet(text) ? gos_session_add_magnet(session, &source->torrent, text, opts)
                                    : gos_session_add_file(session, &source->torrent, text, opts);
    if (rc == GOS_EEXIST) {
        sources_say_twin(source);
        return 0;
    }
    if (rc < 0)
        say("%s: %s%s%s", SHOWN(text), what, complaint(text, rc), remedy(rc));
    return rc;
}

/* ---- waiting for metadata ---- */

/* Wait for one source, for a time. True when there is news of it. */
static bool look_at(struct sources *s, size_t i, int64_t wait_ns)
{
    const struct gos_io io = {
        .struct_size = sizeof io, .deadline_ns = clock_ns() + wait_ns, .cancel = s->stop};
    int rc = gos_torrent_wait(s->items[i].torrent, &io);
    if (rc == GOS_ETIMEDOUT || (rc == GOS_ECANCELED && gos_cancel_fired(s->stop)))
        return false;
    pthread_mutex_lock(&s->lock);
    struct finding *f = &s->findings[i];
    f->state = rc == 0 ? SOURCE_KNOWN : rc == GOS_EEXIST ? SOURCE_TWIN : SOURCE_REFUSED;
    if (f->state == SOURCE_REFUSED) {
        const char *why = gos_last_error();
        if (asprintf(&f->why, "%s%s", *why ? why : gos_strerror(rc), remedy(rc)) < 0)
            f->why = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    const uint64_t one = 1;
    if (write(s->wake_fd, &one, sizeof one) < 0)
        say("cannot wake the main thread: %s", strerror(errno));
    return true;
}

static void *await_metadata(void *arg)
{
    struct sources *s = arg;
    /* Its own list; the main thread never looks at it. */
    size_t *left = malloc(s->n * sizeof *left), n = 0, turn = 0;
    if (!left) {
        say("cannot wait for metadata: %s", strerror(ENOMEM));
        return NULL;
    }
    for (size_t i = 0; i < s->n; i++)
        if (s->findings[i].state == SOURCE_WAITING)
            left[n++] = i;
    while (n > 0 && !gos_cancel_fired(s->stop)) {
        size_t kept = 0;
        for (size_t i = 0; i < n; i++)
            if (!look_at(s, left[i], 0))
                left[kept++] = left[i];
        if (kept == n && look_at(s, left[turn++ % n], TURN_NS))
            continue; /* the next look finds it known again, and lets it go */
        n = kept;
    }
    free(left);
    return NULL;
}

static int start_thread(struct sources *s)
{
    bool any = false;
    for (size_t i = 0; i < s->n; i++)
        any |= s->items[i].state == SOURCE_WAITING;
    if (!any)
        return 0;
    int rc = pthread_create(&s->thread, NULL, await_metadata, s);
    if (rc) {
        say("cannot start a thread: %s", strerror(rc));
        return -1;
    }
    s->running = true;
    pthread_setname_np(s->thread, "gos-metadata");
    return 0;
}

/* ---- life ---- */

static int add_one(struct sources *s, gos_session *session, const struct expanded *e,
                   struct gos_add_opts *opts)
{
    struct source *source = &s->items[s->n];
    *source = (struct source){.text = e->text};
    /* A folder is somebody's collection: one bad file in it does not spoil it. */
    int rc = add(session, source, opts, e->owned ? "warning: left out: " : "");
    if (rc < 0)
        return e->owned ? 0 : -1;
    if (!source->torrent)
        return 1;
    /* A .torrent file is known at once, without asking the thread. */
    if (!e->magnet)
        source->state = SOURCE_KNOWN;
    s->findings[s->n].state = source->state;
    s->n++;
    return 1;
}

static int add_all(struct sources *s, gos_session *session, const struct opt_list *peers, bool list)
{
    struct gos_add_opts opts = {
        .struct_size = sizeof opts, .peers = peers->items, .n_peers = peers->n};
    const struct expansion *all = &s->expansion;
    /* Few torrents are in the swarm from the start: who mounts a film wants to see
     * it, and its peers are there when the first read comes. Many would only keep
     * trackers and the line busy, so each waits for its first read. */
    opts.asleep = list || all->n_files > AWAKE_AT_START;
    for (size_t i = 0; i < all->n;) {
        size_t from = all->items[i].from, good = 0;
        const char *text = s->texts->items[from];
        for (; i < all->n && all->items[i].from == from; i++) {
            int rc = add_one(s, session, &all->items[i], &opts);
            if (rc < 0)
                return -1;
            good += rc > 0;
        }
        if (good == 0) {
            say("%s: is a folder without usable .torrent files", SHOWN(text));
            return -1;
        }
    }
    return 0;
}

struct sources *sources_new(gos_session *session, const struct sources_config *config)
{
    struct sources *s = calloc(1, sizeof *s);
    if (!s)
        goto no_memory;
    pthread_mutex_init(&s->lock, NULL);
    s->wake_fd = config->wake_fd;
    s->texts = config->texts;
    if (expand(&s->expansion, config->texts) < 0)
        goto fail;
    s->items = calloc(s->expansion.n, sizeof *s->items);
    s->findings = calloc(s->expansion.n, sizeof *s->findings);
    if (!s->items || !s->findings || gos_cancel_new(&s->stop) < 0)
        goto no_memory;
    if (add_all(s, session, config->peers, config->list) < 0 || start_thread(s) < 0)
        goto fail;
    return s;
no_memory:
    say("%s", strerror(ENOMEM));
fail:
    sources_free(s);
    return NULL;
}

void sources_free(struct sources *s)
{
    if (!s)
        return;
    if (s->running) {
        gos_cancel_fire(s->stop);
        pthread_join(s->thread, NULL);
    }
    for (size_t i = 0; i < s->n; i++) {
        gos_torrent_unref(s->items[i].torrent);
        free(s->items[i].why);
        free(s->findings[i].why);
    }
    gos_cancel_free(s->stop);
    expand_finish(&s->expansion);
    free(s->findings);
    free(s->items);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

size_t sources_count(const struct sources *s)
{
    return s->n;
}

struct source *sources_at(struct sources *s, size_t index)
{
    return &s->items[index];
}

void sources_update(struct sources *s)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n; i++) {
        if (s->items[i].state != SOURCE_WAITING)
            continue;
        s->items[i].state = s->findings[i].state;
        s->items[i].why = s->findings[i].why;
        s->findings[i].why = NULL;
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- into the tree ---- */

static void say_left_out(const struct gos_torrent_info *info)
{
    if (info->n_symlinks)
        say("%s: warning: %" PRIu32 " symbolic links are left out", SHOWN(info->name),
            info->n_symlinks);
    if (info->n_renamed)
        say("%s: warning: %" PRIu32 " names could not be used as they are and were cleaned",
            SHOWN(info->name), info->n_renamed);
}

const struct tree_node *source_plant(struct source *source, struct tree *tree, int64_t now)
{
    struct gos_torrent_info info = {.struct_size = sizeof info};
    const struct tree_node *top = NULL;
    int rc = gos_torrent_get_info(source->torrent, &info);
    struct tree_file *files = rc < 0 ? NULL : calloc(info.n_files + 1, sizeof *files);
    for (size_t i = 0; files && rc == 0 && i < info.n_files; i++) {
        struct gos_file_info file = {.struct_size = sizeof file};
        rc = gos_torrent_get_file(source->torrent, i, &file);
        files[i] = (struct tree_file){.path = file.path, .size = file.size};
    }
    if (files && rc == 0) {
        const struct tree_torrent torrent = {.name = info.name,
                                             .identity = info.info_hash,
                                             .folder = info.multi_file,
                                             .time = info.created ? info.created : now,
                                             .owner = source->torrent,
                                             .files = files,
                                             .n_files = info.n_files};
        top = tree_add(tree, &torrent);
    }
    free(files);
    if (top)
        say_left_out(&info);
    else
        say("%s: %s", SHOWN(source->text), rc < 0 ? gos_last_error() : strerror(ENOMEM));
    return top;
}
