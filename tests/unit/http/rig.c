/* SPDX-License-Identifier: MIT
 *
 * The server of the tests; see rig.h. Handlers run on the loops' threads. */
#include "rig.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* One exchange that was taken, with what any of the handlers needs. */
struct held {
    struct rig *rig;
    struct http_exchange *x;
    struct held *next, **prev; /* of the loop's, if it is listed */
    bool is_listed;
    /* parts, pause */
    char *text;
    size_t len, size, may_take;
    /* pattern, tap */
    size_t at, total, step, piece;
    bool trailer, endless, end;
    char *data;
};

char rig_byte(size_t i)
{
    return (char)('a' + (i * 7 + i / 251) % 26);
}

/* ---- Orders from the test's thread ----------------------------------------- */

struct order {
    struct http_task task;
    struct rig *rig;
    unsigned loop;
    void (*fn)(struct held *h, size_t n);
    size_t n;
    sem_t done;
};

static void carry_out(struct http_task *task)
{
    struct order *o = (struct order *)(void *)((char *)task - offsetof(struct order, task));
    for (struct held *h = o->rig->held[o->loop]; h; h = h->next)
        o->fn(h, o->n);
    sem_post(&o->done);
}

/* Have `fn` done with all that is held, each on its own loop. */
static void for_each(struct rig *r, void (*fn)(struct held *h, size_t n), size_t n)
{
    for (unsigned i = 0; i < http_server_loops(r->server); i++) {
        struct order o = {.task = {.run = carry_out}, .rig = r, .loop = i, .fn = fn, .n = n};
        sem_init(&o.done, 0, 0);
        http_loop_post(http_server_loop(r->server, i), &o.task);
        while (sem_wait(&o.done) < 0)
            ;
        sem_destroy(&o.done);
    }
}

static void feed(struct held *h, size_t n)
{
    h->total += n;
    http_stream_resume(h->x);
}

static void end_tap(struct held *h, size_t n)
{
    (void)n;
    h->end = true;
    http_stream_resume(h->x);
}

static void reply_later(struct held *h, size_t n)
{
    (void)n;
    REQUIRE(http_reply_text(h->x, 200, "text/plain", "later\n"));
    REQUIRE(!http_reply_text(h->x, 200, "text/plain", "twice\n"));
}

static void grant(struct held *h, size_t n)
{
    h->may_take += n;
    http_body_resume(h->x);
}

static void pad(struct held *h, size_t n)
{
    (void)n;
    if (http_stream_keepalive(h->x))
        atomic_fetch_add(&h->rig->padded, 1);
}

void rig_feed(struct rig *r, size_t bytes)
{
    for_each(r, feed, bytes);
}

void rig_end_taps(struct rig *r)
{
    for_each(r, end_tap, 0);
}

void rig_reply_later(struct rig *r)
{
    for_each(r, reply_later, 0);
}

void rig_resume(struct rig *r, size_t bytes)
{
    for_each(r, grant, bytes);
}

void rig_pad(struct rig *r)
{
    for_each(r, pad, 0);
}

/* ---- Handlers -------------------------------------------------------------- */

static void note(struct held *h, const char *line)
{
    size_t n = strlen(line);
    if (h->len + n + 1 > h->size) {
        h->size = (h->len + n + 1) * 2;
        h->text = realloc(h->text, h->size);
    }
    memcpy(h->text + h->len, line, n + 1);
    h->len += n;
}

static void reply_with(struct held *h, const void *body, size_t len)
{
    http_reply(h->x,
               &(struct http_reply){.status = 200, .type = "text/plain", .body = body, .len = len});
}

static void note_part(struct rig *r, const struct http_part *part)
{
    long peak = atomic_load(&r->peak);
    while ((long)part->len > peak &&
           !atomic_compare_exchange_weak(&r->peak, &peak, (long)part->len))
        ;
}

static size_t echo_body(struct http_exchange *x, void *data, const struct http_part *part)
{
    struct held *h = data;
    (void)x;
    note_part(h->rig, part);
    REQUIRE(part->last);
    reply_with(h, part->data, part->len);
    return part->len;
}

static size_t parts_body(struct http_exchange *x, void *data, const struct http_part *part)
{
    struct held *h = data;
    char line[64];
    note_part(h->rig, part);
    snprintf(line, sizeof line, "%zu%s%s\n", part->len, part->chunk_end ? "+" : "",
             part->last ? "." : "");
    note(h, line);
    if (part->last) {
        /* Still there, wherever the head was received. */
        REQUIRE(!strcmp(http_path(x), "/parts"));
        reply_with(h, h->text, h->len);
    }
    return part->len;
}

static size_t pause_body(struct http_exchange *x, void *data, const struct http_part *part)
{
    struct held *h = data;
    char line[2] = "";
    (void)x;
    size_t n = part->len < h->may_take ? part->len : h->may_take;
    for (size_t i = 0; i < n; i++) {
        *line = part->data[i];
        note(h, line);
    }
    h->may_take -= n;
    if (n < part->len)
        return n;
    /* The end has a price of its own. */
    if (part->last && !part->len) {
        if (!h->may_take)
            return HTTP_PAUSE;
        reply_with(h, h->text, h->len);
    } else if (part->last) {
        reply_with(h, h->text, h->len);
    }
    return part->len;
}

static enum http_flow pattern_produce(struct http_exchange *x, void *data, struct http_batch *b)
{
    struct held *h = data;
    size_t left = h->total - h->at, off = h->at;
    (void)x;
    if (h->step && left > h->step)
        left = h->step;
    while (left && b->n_iov < b->max_iov) {
        size_t n = h->piece && left > h->piece ? h->piece : left;
        /* The data repeat after a while, so that they need not be all there. */
        size_t from = off % (26 * 251), room = 2 * 26 * 251 - from;
        if (n > room)
            n = room;
        b->iov[b->n_iov++] = (struct iovec){h->data + from, n};
        off += n;
        left -= n;
    }
    if (off < h->total)
        return HTTP_FLOW_MORE;
    if (h->endless && !h->end)
        return HTTP_FLOW_IDLE;
    if (h->trailer)
        b->trailers = "X-Sum: 42\r\n";
    return HTTP_FLOW_END;
}

static void pattern_sent(struct http_exchange *x, void *data, size_t bytes)
{
    (void)x;
    ((struct held *)data)->at += bytes;
}

static void held_end(struct http_exchange *x, void *data, enum http_end why)
{
    struct held *h = data;
    struct rig *r = h->rig;
    REQUIRE(h->x == x);
    REQUIRE(http_loop_is_mine(http_exchange_loop(x)));
    if (h->is_listed) {
        *h->prev = h->next;
        if (h->next)
            h->next->prev = h->prev;
        atomic_fetch_sub(&r->waiting, 1);
    }
    free(h->text);
    free(h->data);
    free(h);
    atomic_fetch_add(&r->ends[why], 1);
    atomic_fetch_add(&r->ended, 1);
}

static const struct http_exchange_ops echo_ops = {.body = echo_body, .end = held_end};
static const struct http_exchange_ops parts_ops = {.body = parts_body, .end = held_end};
static const struct http_exchange_ops pause_ops = {.body = pause_body, .end = held_end};
static const struct http_exchange_ops wait_ops = {.end = held_end};
static const struct http_exchange_ops pattern_ops = {
    .produce = pattern_produce, .sent = pattern_sent, .end = held_end};

static struct held *hold(struct rig *r, struct http_exchange *x,
                         const struct http_exchange_ops *ops, bool listed)
{
    struct held *h = calloc(1, sizeof *h);
    REQUIRE(h);
    h->rig = r;
    h->x = x;
    h->is_listed = listed;
    atomic_fetch_add(&r->begun, 1);
    http_take(x, ops, h);
    REQUIRE(http_exchange_data(x) == h);
    if (listed) {
        h->prev = &r->held[http_loop_index(http_exchange_loop(x))];
        h->next = *h->prev;
        if (h->next)
            h->next->prev = &h->next;
        *h->prev = h;
        atomic_fetch_add(&r->waiting, 1);
    }
    return h;
}

static size_t number(struct http_exchange *x, const char *key)
{
    const char *text = http_query(x, key, NULL);
    return text ? strtoul(text, NULL, 10) : 0;
}

static void make_pattern(struct held *h)
{
    h->data = malloc(2 * 26 * 251);
    for (size_t i = 0; i < 2 * 26 * 251; i++)
        h->data[i] = rig_byte(i);
}

static void pattern(struct rig *r, struct http_exchange *x)
{
    struct held *h = hold(r, x, &pattern_ops, false);
    struct http_reply reply = {.status = 200, .type = "application/octet-stream"};
    h->total = number(x, "n");
    h->step = number(x, "step");
    h->piece = number(x, "piece");
    h->trailer = number(x, "trailer");
    make_pattern(h);
    if (http_query(x, "length", NULL)) {
        reply.length_known = true;
        reply.len = h->total;
    }
    if (http_query(x, "short", NULL))
        h->total--;
    REQUIRE(http_reply_stream(x, &reply));
}

static void tap(struct rig *r, struct http_exchange *x)
{
    struct held *h = hold(r, x, &pattern_ops, true);
    h->endless = true;
    make_pattern(h);
    http_reply_stream(x, &(struct http_reply){.status = 200, .type = "text/plain"});
}

static void describe(struct http_exchange *x)
{
    char text[4096];
    size_t len = 0;
    const char *a = http_query(x, "a", &len), *test = http_header(x, "x-TEST");
    snprintf(text, sizeof text, "%s %d %s [%.*s] %zu [%s]\n", http_method_text(x),
             http_minor_version(x), http_path(x), (int)len, a ? a : "", len, test ? test : "");
    http_reply_text(x, 200, "text/plain", text);
}

static void on_request(void *user, struct http_exchange *x)
{
    struct rig *r = user;
    const char *path = http_path(x);
    if (!strcmp(path, "/hello")) {
        http_reply_text(x, 200, "text/plain", "hello\n");
    } else if (!strcmp(path, "/echo")) {
        hold(r, x, &echo_ops, false);
        http_want_whole_body(x, 1 << 20);
    } else if (!strcmp(path, "/parts")) {
        hold(r, x, &parts_ops, false);
    } else if (!strcmp(path, "/pattern")) {
        pattern(r, x);
    } else if (!strcmp(path, "/tap")) {
        tap(r, x);
    } else if (!strcmp(path, "/never") || !strcmp(path, "/later")) {
        hold(r, x, &wait_ops, true);
    } else if (!strcmp(path, "/pause")) {
        hold(r, x, &pause_ops, true);
    } else if (!strcmp(path, "/describe")) {
        describe(x);
    } else if (strcmp(path, "/nothing") != 0) {
        http_reply_text(x, 404, "text/plain", "404 page not found\n");
    }
}

static void *on_loop_begin(void *user, struct http_loop *loop)
{
    REQUIRE(http_loop_is_mine(loop));
    return user;
}

static void on_loop_end(void *user, struct http_loop *loop)
{
    REQUIRE(http_loop_user(loop) == user);
}

void rig_start(struct rig *r, const struct http_options *options)
{
    static int count;
    char why[256] = "", path[100];
    const struct http_handler handler = {
        .user = r, .request = on_request, .loop_begin = on_loop_begin, .loop_end = on_loop_end};
    memset(r, 0, sizeof *r);
    struct http_options defaults = {.loops = 2};
    r->server = http_server_new(&handler, options ? options : &defaults);
    assert_non_null(r->server);
    snprintf(path, sizeof path, "unix:/tmp/gos-http-test-%d-%d", (int)getpid(), count++);
    assert_int_equal(http_server_listen(r->server, "127.0.0.1:0", why, sizeof why), 0);
    assert_int_equal(http_server_listen(r->server, path, why, sizeof why), 0);
    for (unsigned i = 0; i < 2; i++)
        strcpy(r->address[i], http_server_address(r->server, i));
    assert_int_equal(http_server_start(r->server), 0);
}

void rig_stop(struct rig *r, int64_t timeout_ns)
{
    http_server_stop(r->server, timeout_ns);
    assert_int_equal(atomic_load(&r->begun), atomic_load(&r->ended));
}

void rig_free(struct rig *r)
{
    rig_stop(r, 0);
    http_server_free(r->server);
}

int rig_setup(void **state)
{
    struct rig *r = malloc(sizeof *r);
    rig_start(r, NULL);
    *state = r;
    return 0;
}

int rig_teardown(void **state)
{
    rig_free(*state);
    free(*state);
    return 0;
}

void rig_await(atomic_int *value, int least)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    time_t until = t.tv_sec + PATIENCE_MS / 1000;
    while (atomic_load(value) < least) {
        usleep(200);
        clock_gettime(CLOCK_MONOTONIC, &t);
        if (t.tv_sec > until)
            fail_msg("%d instead of %d after %d ms", atomic_load(value), least, PATIENCE_MS);
    }
}
