/* SPDX-License-Identifier: MIT
 *
 * What outlives a session: mode, registered scripts, failures to come, the list
 * of sessions. Any thread, under one lock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fake_lt_internal.h"

struct script {
    char *text;
    uint8_t v1[20], v2[32];
    struct script *next;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t end_released;
    bool started, hold_end, break_order;
    enum fake_lt_mode mode;
    struct script *scripts;
    ltc_session *newest;
    struct {
        int rc;
        unsigned skip;
    } fail[FAKE_LT_CALLS];
    void (*as_it_fails)(void *arg);
    void *as_it_fails_arg;
} g = {.lock = PTHREAD_MUTEX_INITIALIZER, .end_released = PTHREAD_COND_INITIALIZER};

void *fake_lt__alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        abort();
    return p;
}

void *fake_lt__grow(void *array, size_t *room, size_t n, size_t size)
{
    if (n <= *room)
        return array;
    size_t more = *room * 2 > n ? *room * 2 : n + 8;
    void *p = realloc(array, more * size);
    if (!p)
        abort();
    *room = more;
    return p;
}

static void add_script_locked(const char *text)
{
    struct script *s = fake_lt__alloc(1, sizeof *s);
    s->text = fake_lt__alloc(1, strlen(text) + 1);
    strcpy(s->text, text);
    fake_lt_hashes(text, s->v1, s->v2);
    s->next = g.scripts;
    g.scripts = s;
}

static void load_script_locked(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        fprintf(stderr, "fake_lt: cannot open script %s\n", path);
        return;
    }
    char *text = fake_lt__alloc(1, 1 << 20);
    size_t n = fread(text, 1, (1 << 20) - 1, f);
    text[n] = '\0';
    fclose(f);
    add_script_locked(text);
    free(text);
}

/* A tool that was linked with the fake is told by its environment. */
static void start_locked(void)
{
    if (g.started)
        return;
    g.started = true;
    const char *clock = getenv("FAKE_LT_CLOCK"), *scripts = getenv("FAKE_LT_SCRIPTS");
    if (clock && !strcmp(clock, "real"))
        g.mode = FAKE_LT_REAL;
    if (!scripts)
        return;
    char *copy = strdup(scripts), *rest = copy;
    for (char *path; copy && (path = strtok_r(rest, ":", &rest));)
        load_script_locked(path);
    free(copy);
}

void fake_lt_set_mode(enum fake_lt_mode mode)
{
    pthread_mutex_lock(&g.lock);
    start_locked();
    g.mode = mode;
    pthread_mutex_unlock(&g.lock);
}

enum fake_lt_mode fake_lt__mode(void)
{
    pthread_mutex_lock(&g.lock);
    start_locked();
    enum fake_lt_mode mode = g.mode;
    pthread_mutex_unlock(&g.lock);
    return mode;
}

void fake_lt_break_order(bool on)
{
    pthread_mutex_lock(&g.lock);
    g.break_order = on;
    pthread_mutex_unlock(&g.lock);
}

bool fake_lt__order_is_broken(void)
{
    pthread_mutex_lock(&g.lock);
    bool on = g.break_order;
    pthread_mutex_unlock(&g.lock);
    return on;
}

bool fake_lt_register(const char *script)
{
    ltc_info *i = fake_lt__info_parse(script, strlen(script), false, NULL);
    if (!i)
        return false;
    ltc_info_unref(i);
    pthread_mutex_lock(&g.lock);
    start_locked();
    add_script_locked(script);
    pthread_mutex_unlock(&g.lock);
    return true;
}

ltc_info *fake_lt__find_magnet(const uint8_t *v1, const uint8_t *v2)
{
    ltc_info *found = NULL;
    pthread_mutex_lock(&g.lock);
    start_locked();
    for (struct script *s = g.scripts; s && !found; s = s->next)
        if ((v1 && !memcmp(v1, s->v1, 20)) || (v2 && !memcmp(v2, s->v2, 32)))
            found = fake_lt__info_parse(s->text, strlen(s->text), true, NULL);
    pthread_mutex_unlock(&g.lock);
    if (found && found->view.v2)
        atomic_store_explicit(&found->layers_known, false, memory_order_relaxed);
    return found;
}

void fake_lt_fail_next(enum fake_lt_call call, unsigned skip, int rc)
{
    pthread_mutex_lock(&g.lock);
    g.fail[call].rc = rc;
    g.fail[call].skip = skip;
    pthread_mutex_unlock(&g.lock);
}

void fake_lt_as_it_fails(void (*run)(void *arg), void *arg)
{
    pthread_mutex_lock(&g.lock);
    g.as_it_fails = run;
    g.as_it_fails_arg = arg;
    pthread_mutex_unlock(&g.lock);
}

int fake_lt__fails(enum fake_lt_call call)
{
    int rc = 0;
    void (*run)(void *) = NULL;
    pthread_mutex_lock(&g.lock);
    void *arg = g.as_it_fails_arg;
    if (g.fail[call].rc && g.fail[call].skip > 0) {
        g.fail[call].skip--;
    } else if (g.fail[call].rc) {
        rc = g.fail[call].rc;
        g.fail[call].rc = 0;
        run = g.as_it_fails;
        g.as_it_fails = NULL;
    }
    pthread_mutex_unlock(&g.lock);
    if (run)
        run(arg);
    return rc;
}

void fake_lt__remember(ltc_session *s)
{
    pthread_mutex_lock(&g.lock);
    s->older = g.newest;
    g.newest = s;
    pthread_mutex_unlock(&g.lock);
}

void fake_lt__forget(ltc_session *s)
{
    pthread_mutex_lock(&g.lock);
    for (ltc_session **p = &g.newest; *p; p = &(*p)->older) {
        if (*p != s)
            continue;
        *p = s->older;
        break;
    }
    pthread_mutex_unlock(&g.lock);
}

ltc_session *fake_lt_last_session(void)
{
    pthread_mutex_lock(&g.lock);
    ltc_session *s = g.newest;
    pthread_mutex_unlock(&g.lock);
    return s;
}

void fake_lt_hold_end(bool hold)
{
    pthread_mutex_lock(&g.lock);
    g.hold_end = hold;
    pthread_cond_broadcast(&g.end_released);
    pthread_mutex_unlock(&g.lock);
}

void fake_lt__wait_end_released(void)
{
    pthread_mutex_lock(&g.lock);
    while (g.hold_end)
        pthread_cond_wait(&g.end_released, &g.lock);
    pthread_mutex_unlock(&g.lock);
}

void fake_lt_reset(void)
{
    pthread_mutex_lock(&g.lock);
    while (g.scripts) {
        struct script *s = g.scripts;
        g.scripts = s->next;
        free(s->text);
        free(s);
    }
    memset(g.fail, 0, sizeof g.fail);
    g.as_it_fails = NULL;
    g.mode = FAKE_LT_MANUAL;
    g.started = false;
    g.hold_end = g.break_order = false;
    pthread_cond_broadcast(&g.end_released);
    pthread_mutex_unlock(&g.lock);
    fake_lt__judge_reset();
}
