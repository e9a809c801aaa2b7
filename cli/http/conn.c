/* SPDX-License-Identifier: MIT
 *
 * The life of a connection: phases, time limits, its end. Runs on the thread of its
 * loop. */
#include "http/private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_NS INT64_C(2000000000)
#define REFUSED_NS INT64_C(2000000000) /* for the head of one that there is no room for */
#define FILLS_PER_TURN 4
#define DROP_PER_FILL ((size_t)64 << 10)

/* ---- Beginning ------------------------------------------------------------- */

static void on_events(struct http_polled *p, uint32_t events)
{
    struct http_conn *c = HTTP_OWNER(p, struct http_conn, polled);
    if (c->phase == CONN_CLOSED)
        return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->readable = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        c->writable = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->half_closed = true;
    if (events & (EPOLLHUP | EPOLLERR))
        c->hung_up = true;
    http_conn_make_ready(c);
}

static void on_timer(struct http_timer *t)
{
    http_conn_expire(HTTP_OWNER(t, struct http_conn, timer));
}

static void on_adopt(struct http_task *task)
{
    struct http_conn *c = HTTP_OWNER(task, struct http_conn, adopt);
    struct http_loop *l = c->loop;
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                            .data.ptr = &c->polled};
    c->since_ns = l->now_ns;
    TAILQ_INSERT_TAIL(&l->all, c, all);
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0)
        http_conn_close(c, HTTP_END_GONE);
    else
        http_conn_set_timer(c);
}

struct http_conn *http_conn_new(int fd)
{
    struct http_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->polled.on_events = on_events;
    c->timer.run = on_timer;
    c->adopt.run = on_adopt;
    c->fd = fd;
    c->phase = CONN_HEAD;
    c->writable = true;
    return c;
}

void http_conn_adopt(struct http_loop *l, struct http_conn *c)
{
    c->loop = l;
    atomic_fetch_add_explicit(&l->n_conns, 1, memory_order_relaxed);
    http_loop_post(l, &c->adopt);
}

void http_conn_make_ready(struct http_conn *c)
{
    if (c->in || c->phase == CONN_CLOSED)
        return;
    TAILQ_INSERT_TAIL(&c->loop->ready, c, ready);
    c->in = &c->loop->ready;
}

void http_conn_touch(struct http_conn *c)
{
    if (c->loop->running != c)
        http_conn_make_ready(c);
}

void http_conn_enter(struct http_conn *c, enum conn_phase phase)
{
    c->phase = (uint8_t)phase;
    c->since_ns = c->loop->now_ns;
}

/* ---- The end --------------------------------------------------------------- */

static void end_exchange(struct http_conn *c, enum http_end why)
{
    struct http_exchange *x = &c->x;
    const struct http_exchange_ops *ops = x->ops;
    x->ops = NULL;
    http_gather_free(c);
    http_request_drop_head(c);
    c->loop->receive_base = 0;
    if (ops && ops->end)
        ops->end(x, x->data, why);
}

static void count_down(struct http_loop *l)
{
    struct http_server *s = l->server;
    if (atomic_fetch_sub_explicit(&l->n_conns, 1, memory_order_acq_rel) != 1 || !l->draining)
        return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->none_left);
    pthread_mutex_unlock(&s->lock);
}

void http_conn_close(struct http_conn *c, enum http_end why)
{
    struct http_loop *l = c->loop;
    if (c->phase == CONN_CLOSED)
        return;
    /* A body that ends with the connection would look whole. */
    bool reset = why != HTTP_END_DONE && c->x.streaming && !c->x.framing.chunked;
    if (!c->hung_up)
        http_output_flush(c); /* replies to earlier requests of this turn */
    c->phase = CONN_CLOSED;
    end_exchange(c, why);
    http_timer_clear(l, &c->timer);
    if (c->in)
        TAILQ_REMOVE(c->in, c, ready);
    c->in = NULL;
    if (l->running == c)
        l->cork_len = 0;
    http_input_drop(c);
    http_output_drop(c);
    struct linger at_once = {.l_onoff = 1};
    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(c->fd);
    http_accept_freed(l->server, c);
    TAILQ_REMOVE(&l->all, c, all);
    TAILQ_INSERT_TAIL(&l->dead, c, all);
    count_down(l);
}

void http_conn_free(struct http_conn *c)
{
    free(c);
}

static size_t error_body(struct http_server *s, int status, const char *text, char *buf,
                         size_t size, const char **type)
{
    *type = "text/plain; charset=utf-8";
    if (s->handler.error_body)
        return s->handler.error_body(s->handler.user, status, text, buf, size, type);
    size_t len = strlen(text);
    if (len >= size)
        len = size - 1;
    memcpy(buf, text, len);
    buf[len] = '\n';
    return len + 1;
}

enum step http_conn_refuse(struct http_conn *c, int status, const char *text, enum http_end why)
{
    if (c->x.streaming) {
        http_conn_close(c, why);
        return STEP_DONE;
    }
    char body[1024];
    struct http_reply reply = {.status = status, .close = true, .body = body};
    reply.len = error_body(c->loop->server, status, text, body, sizeof body, &reply.type);
    c->x.is_head_method = false;
    http_reply(&c->x, &reply); /* of no effect if there was one */
    c->close_after = true;
    c->readable = true; /* there may be more that was not looked at */
    http_conn_enter(c, CONN_LINGER);
    end_exchange(c, why);
    http_conn_touch(c);
    return STEP_ON;
}

/* ---- Steps that have no file of their own ---------------------------------- */

static enum step linger_step(struct http_conn *c, struct input *in)
{
    size_t got;
    if (!http_output_flush(c)) {
        http_conn_close(c, HTTP_END_GONE);
        return STEP_DONE;
    }
    if (c->out_len)
        return STEP_WAIT;
    /* With nothing unread there is no reset to fear. */
    if (!c->shut && (in->len || c->readable)) {
        c->shut = true;
        shutdown(c->fd, SHUT_WR);
    }
    in->len = 0;
    if (c->shut) {
        enum fill fill = http_input_receive(c, c->loop->receive, DROP_PER_FILL, &got);
        if (fill == FILL_SOME)
            return STEP_ON;
        /* One that there is no room for must not hold what room there is. */
        if (fill == FILL_NONE && !c->refused)
            return STEP_WAIT;
    }
    http_conn_close(c, HTTP_END_DONE);
    return STEP_DONE;
}

/* The reply is on its way: the connection is free for the next request. */
static enum step finish(struct http_conn *c)
{
    end_exchange(c, HTTP_END_DONE);
    if (!c->x.keep_alive || c->loop->draining)
        c->close_after = true;
    c->x = (struct http_exchange){0};
    http_conn_enter(c, c->close_after ? CONN_LINGER : CONN_HEAD);
    return STEP_ON;
}

static enum step reply_step(struct http_conn *c)
{
    if (c->out_len && !http_output_flush(c)) {
        http_conn_close(c, HTTP_END_GONE);
        return STEP_DONE;
    }
    if (!c->out_len)
        return finish(c);
    return STEP_WAIT;
}

static enum step wait_step(struct http_conn *c)
{
    struct http_exchange *x = &c->x;
    if (x->replied) {
        http_conn_enter(c, x->streaming ? CONN_STREAM : CONN_REPLY);
        return STEP_ON;
    }
    if (!x->ops)
        return http_conn_refuse(c, 500, "no reply", HTTP_END_BAD);
    if (c->hung_up || (c->half_closed && x->end_on_hangup)) {
        http_conn_close(c, HTTP_END_GONE);
        return STEP_DONE;
    }
    return STEP_WAIT;
}

static enum step step(struct http_conn *c, struct input *in)
{
    if (c->x.cut && c->phase != CONN_LINGER) {
        http_conn_close(c, HTTP_END_GONE);
        return STEP_DONE;
    }
    switch ((enum conn_phase)c->phase) {
    case CONN_HEAD:
        return http_request_step(c, in);
    case CONN_BODY:
        return http_body_step(c, in);
    case CONN_WAIT:
        return wait_step(c);
    case CONN_STREAM:
        return http_stream_step(c);
    case CONN_REPLY:
        return reply_step(c);
    case CONN_LINGER:
        return linger_step(c, in);
    case CONN_CLOSED:
        break;
    }
    return STEP_DONE;
}

/* The reply of a request that gave others something to do on this thread waits until
 * they had their turn. It wakes a client that takes the processor at once, while
 * those who read what it wrote would still wait for theirs. */
static bool reply_later(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    bool others_wait = l->helps_next || http_tasks_any(&l->tasks);
    if (!l->cork_len || c->in || !others_wait || !http_output_try_keep(c, l->cork, l->cork_len))
        return false;
    l->cork_len = 0;
    TAILQ_INSERT_TAIL(&l->late, c, ready);
    c->in = &l->late;
    return true;
}

void http_conn_run(struct http_conn *c)
{
    struct http_loop *l = c->loop;
    l->running = c;
    l->cork_len = 0;
    l->receive_base = 0;
    l->fills_left = FILLS_PER_TURN;
    l->pump_left = HTTP_BATCH_BYTES;
    struct input in = http_input_load(c);
    enum step s;
    do
        s = step(c, &in);
    while (s == STEP_ON);
    if (s == STEP_WAIT) {
        bool kept = (reply_later(c) || http_output_flush(c)) &&
                    (c->phase != CONN_BODY || http_request_keep_head(&c->x)) &&
                    http_input_save(c, &in);
        if (kept)
            http_conn_set_timer(c);
        else
            http_conn_close(c, HTTP_END_GONE);
    }
    l->running = NULL;
    l->cork_len = 0;
}

/* ---- Time limits ----------------------------------------------------------- */

static int64_t limit_ns(const struct http_conn *c)
{
    const struct http_options *o = &c->loop->server->options;
    switch ((enum conn_phase)c->phase) {
    case CONN_HEAD:
        if (c->refused)
            return REFUSED_NS;
        if (c->out_len)
            return o->send_timeout_ns;
        return c->scan.looked_at || !c->has_begun ? o->head_timeout_ns : o->idle_timeout_ns;
    case CONN_BODY:
        return c->x.paused ? -1 : c->x.body_timeout_ns;
    case CONN_STREAM:
        return c->writable ? -1 : c->x.send_timeout_ns;
    case CONN_REPLY:
        return c->x.send_timeout_ns;
    case CONN_LINGER:
        return LINGER_NS;
    default:
        return -1;
    }
}

void http_conn_set_timer(struct http_conn *c)
{
    int64_t limit = limit_ns(c);
    if (limit > 0)
        http_timer_set(c->loop, &c->timer, c->since_ns + limit);
}

/* Its handler knows better than the clock. */
static bool may_wait(struct http_conn *c)
{
    const struct http_exchange_ops *ops = c->x.ops;
    if (c->phase != CONN_STREAM || !ops || !ops->patience || !ops->patience(&c->x, c->x.data))
        return false;
    c->since_ns = c->loop->now_ns;
    return true;
}

void http_conn_expire(struct http_conn *c)
{
    int64_t limit = limit_ns(c);
    if (limit <= 0)
        return;
    if (c->since_ns + limit > c->loop->now_ns) {
        http_timer_set(c->loop, &c->timer, c->since_ns + limit);
        return;
    }
    if (may_wait(c))
        http_conn_set_timer(c);
    else if (c->phase == CONN_HEAD && c->scan.looked_at && !c->refused && !c->out_len)
        http_conn_refuse(c, 408, "request head took too long", HTTP_END_TIMEOUT);
    else if (c->phase == CONN_BODY)
        http_conn_refuse(c, 408, "request body took too long", HTTP_END_TIMEOUT);
    else
        http_conn_close(c, HTTP_END_TIMEOUT);
}

bool http_conn_is_idle(const struct http_conn *c)
{
    return c->phase == CONN_HEAD && !c->scan.looked_at && !c->out_len && !c->readable;
}
