/* SPDX-License-Identifier: MIT
 *
 * One loop over one transfer of libcurl's multi interface, for every call; see
 * client.h. The multi interface, because a flow also waits for stdin, for
 * signals, and for the reader of stdout. One thread. */
#include "pfs/client_private.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "pfs/answer.h"
#include "pfs/interrupt.h"

#define CONNECT_TIMEOUT_MS 10000L
#define TICK_MS 500
/* What is read from a socket at once, and what one chunk of a body can hold:
 * libcurl takes 12 bytes of it for the chunk's head and end. */
#define RECEIVE_BUFFER (512L << 10)
#define SEND_BUFFER ((256L << 10) + 12)
#define ASKS_FIRST (1L << 20)
/* Refusals are a line of JSON; whatever else comes instead is cut off. */
#define REFUSAL_MAX 4096

/* A flow on its way. */
struct passage {
    struct client *c;
    const struct client_flow *flow;
    struct pfs_bytes refusal;
    int64_t moved_ns; /* when a byte last moved */
    int socket;       /* the last one opened for it, -1: none */
    bool sending_waits;
    bool stopped; /* by a callback */
    size_t kept;  /* of the answer, or thrown away */
};

/* ---- callbacks of libcurl ---- */

static bool good_status(struct passage *p)
{
    curl_easy_getinfo(p->c->easy, CURLINFO_RESPONSE_CODE, &p->c->status);
    return p->c->status >= 200 && p->c->status < 300;
}

/* An answer that nobody takes as it comes. */
static size_t keep(struct passage *p, const char *data, size_t n)
{
    p->kept += n;
    if (p->kept > PFS_BYTES_MAX)
        return CURL_WRITEFUNC_ERROR;
    if (p->flow->answer)
        pfs_bytes_add(p->flow->answer, data, n);
    return n;
}

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
    struct passage *p = user;
    n *= size;
    p->moved_ns = clock_ns();
    if (!good_status(p)) {
        if (p->refusal.n < REFUSAL_MAX)
            pfs_bytes_add(&p->refusal, data, n);
        return n;
    }
    if (!p->flow->receive)
        return keep(p, data, n);
    if (p->flow->receive(p->flow->user, data, n) < 0) {
        p->stopped = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return n;
}

static size_t on_send(char *buf, size_t size, size_t n, void *user)
{
    struct passage *p = user;
    ssize_t got = p->flow->send(p->flow->user, buf, size * n);
    if (got == CLIENT_SEND_LATER) {
        p->sending_waits = true;
        return CURL_READFUNC_PAUSE;
    }
    if (got < 0) {
        p->stopped = true;
        return CURL_READFUNC_ABORT;
    }
    p->moved_ns = clock_ns();
    return (size_t)got;
}

static size_t on_header(char *line, size_t size, size_t n, void *user)
{
    struct passage *p = user;
    n *= size;
    p->moved_ns = clock_ns();
    char *colon = memchr(line, ':', n);
    if (!p->flow->header || !colon || !good_status(p))
        return n;
    size_t value = (size_t)(colon - line) + 1;
    size_t end = n;
    while (value < end && (line[value] == ' ' || line[value] == '\t'))
        value++;
    while (end > value && strchr("\r\n \t", line[end - 1]))
        end--;
    char *name_copy = pfs_printf("%.*s", (int)(colon - line), line);
    char *value_copy = pfs_printf("%.*s", (int)(end - value), line + value);
    p->stopped = p->flow->header(p->flow->user, name_copy, value_copy) < 0;
    free(name_copy);
    free(value_copy);
    return p->stopped ? 0 : n;
}

static int on_socket(void *user, curl_socket_t fd, curlsocktype purpose)
{
    struct passage *p = user;
    if (purpose == CURLSOCKTYPE_IPCXN)
        p->socket = fd;
    return CURL_SOCKOPT_OK;
}

/* ---- setting up ---- */

static struct curl_slist *add_header(struct curl_slist *list, const char *line)
{
    return pfs_must(curl_slist_append(list, line));
}

static void set_target(struct passage *p, const char *url)
{
    CURL *easy = p->c->easy;
    const struct pfs_base *base = p->c->base;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (base->unix_path)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, base->unix_path);
    /* http_proxy of the environment is meant for the world outside. */
    if (base->loopback)
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    /* An idle stream whose server lost its power must not wait for ever. */
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "pfs");
}

static void set_body(struct passage *p)
{
    CURL *easy = p->c->easy;
    const struct client_flow *flow = p->flow;
    if (flow->send) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(easy, CURLOPT_READDATA, p);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)flow->send_size);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
        /* On a connection that was used before, libcurl would begin again when it
         * is lost, and what was sent of a stream cannot be had a second time. */
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    } else if (strcmp(flow->method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, flow->method);
}

static struct curl_slist *set_headers(struct passage *p)
{
    /* libcurl would call bodies forms. */
    struct curl_slist *list = add_header(NULL, "Content-Type:");
    /* A large file asks first: a server that refuses it does so before it comes, and
     * not by closing in its middle. Streams would wait a second for a server that
     * does not know "Expect". */
    if (p->flow->send_size <= ASKS_FIRST)
        list = add_header(list, "Expect:");
    curl_easy_setopt(p->c->easy, CURLOPT_HTTPHEADER, list);
    return list;
}

static void set_callbacks(struct passage *p)
{
    CURL *easy = p->c->easy;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, p);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, p);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, p);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
}

/* ---- the loop ---- */

static bool timed_out(const struct passage *p)
{
    int64_t limit = p->c->timeout_ns;
    return limit && !p->flow->endless && !p->sending_waits && clock_ns() - p->moved_ns > limit;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* Until something is to be done. */
static void wait_for_news(struct passage *p)
{
    struct curl_waitfd fds[3];
    unsigned n = 0;
    if (p->sending_waits && p->flow->send_fd >= 0)
        fds[n++] = (struct curl_waitfd){.fd = p->flow->send_fd, .events = CURL_WAIT_POLLIN};
    if (pfs_interrupt_fd() >= 0 && !pfs_interrupted())
        fds[n++] = (struct curl_waitfd){.fd = pfs_interrupt_fd(), .events = CURL_WAIT_POLLIN};
    if (p->flow->output_fd >= 0)
        fds[n++] = (struct curl_waitfd){.fd = p->flow->output_fd}; /* errors only */
    curl_multi_poll(p->c->multi, fds, n, TICK_MS, NULL);
}

static void resume_sending(struct passage *p)
{
    if (!p->sending_waits)
        return;
    if (!pfs_interrupted() && !readable(p->flow->send_fd))
        return;
    p->sending_waits = false;
    p->moved_ns = clock_ns();
    curl_easy_pause(p->c->easy, CURLPAUSE_CONT);
}

static bool output_gone(const struct passage *p)
{
    struct pollfd out = {.fd = p->flow->output_fd};
    return p->flow->output_fd >= 0 && poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

/* While a body waits for more to send, libcurl does not say that its server went. */
static bool server_gone(const struct passage *p)
{
    struct pollfd server = {.fd = p->socket, .events = POLLRDHUP};
    return p->sending_waits && poll(&server, 1, 0) > 0 &&
           (server.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* Libcurl has no more to do. */
static enum client_end ended(struct passage *p, CURLcode *code)
{
    int left;
    CURLMsg *msg = curl_multi_info_read(p->c->multi, &left);
    *code = msg ? msg->data.result : CURLE_FAILED_INIT;
    return CLIENT_DONE;
}

/* Whether the transfer must not go on, and why. */
static bool must_end(struct passage *p, enum client_end *end, CURLcode *code)
{
    *end = CLIENT_DONE;
    if (pfs_interrupted() && p->flow->interruptible) {
        snprintf(p->c->error, sizeof p->c->error, "interrupted");
        *end = CLIENT_INTERRUPTED;
    } else if (output_gone(p)) {
        *end = CLIENT_STOPPED;
    } else if (timed_out(p)) {
        *code = CURLE_OPERATION_TIMEDOUT;
    } else if (server_gone(p)) {
        *code = CURLE_GOT_NOTHING;
    } else {
        return false;
    }
    return true;
}

/* Until the transfer has ended or must not go on. */
static enum client_end run(struct passage *p, CURLcode *code)
{
    int64_t tick_ns = clock_ns();
    enum client_end end;
    for (;;) {
        int running = 0;
        curl_multi_perform(p->c->multi, &running);
        if (!p->stopped && p->flow->settle && p->flow->settle(p->flow->user) < 0)
            return CLIENT_STOPPED;
        if (!running)
            return ended(p, code);
        if (must_end(p, &end, code))
            return end;
        wait_for_news(p);
        resume_sending(p);
        if (p->flow->tick && clock_ns() - tick_ns > TICK_MS * (SECOND / 1000)) {
            tick_ns = clock_ns();
            p->flow->tick(p->flow->user);
        }
    }
}

/* ---- how it ended ---- */

static enum client_end no_connection(struct client *c, CURLcode code)
{
    char *curl_url = NULL;
    curl_easy_getinfo(c->easy, CURLINFO_EFFECTIVE_URL, &curl_url);
    long number = 0;
    curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &number);
    const char *why = code == CURLE_COULDNT_CONNECT && number ? strerror((int)number)
                                                              : curl_easy_strerror(code);
    char *start = pfs_base_serve(c->base);
    snprintf(c->error, sizeof c->error, "no server at %s: %s%s%s",
             c->base->unix_path ? c->base->unix_path : c->base->url, why,
             start ? "; to start one: " : "", start ? start : "");
    free(start);
    return CLIENT_UNREACHABLE;
}

static enum client_end broken(struct passage *p, CURLcode code)
{
    struct client *c = p->c;
    if (code == CURLE_OPERATION_TIMEDOUT)
        snprintf(c->error, sizeof c->error, "the server said nothing for %g seconds",
                 (double)c->timeout_ns / (double)SECOND);
    else if (code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR ||
             code == CURLE_SEND_ERROR)
        snprintf(c->error, sizeof c->error, "the connection to the server was lost");
    else
        snprintf(c->error, sizeof c->error, "the connection to the server was lost: %s",
                 curl_easy_strerror(code));
    return CLIENT_BROKEN;
}

static enum client_end judge(struct passage *p, enum client_end ended, CURLcode code)
{
    struct client *c = p->c;
    bool good = good_status(p);
    if (p->kept > PFS_BYTES_MAX) {
        snprintf(c->error, sizeof c->error,
                 "the server's answer is longer than " PFS_BYTES_MAX_TEXT
                 ", and was not read to its end");
        return CLIENT_REFUSED;
    }
    if (p->stopped)
        return CLIENT_STOPPED;
    if (ended != CLIENT_DONE)
        return ended;
    /* A refusal counts even if the rest of our body could not be sent any more. */
    if (c->status && !good && c->status != 100) {
        pfs_answer_error(c->error, sizeof c->error, c->status, p->refusal.data, p->refusal.n);
        return CLIENT_REFUSED;
    }
    switch (code) {
    case CURLE_OK:
        return CLIENT_DONE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return no_connection(c, code);
    case CURLE_OPERATION_TIMEDOUT: {
        curl_off_t connected = 0;
        curl_easy_getinfo(c->easy, CURLINFO_CONNECT_TIME_T, &connected);
        return connected ? broken(p, code) : no_connection(c, code);
    }
    default:
        return broken(p, code);
    }
}

static enum client_end run_prepared(struct passage *p)
{
    CURLcode code = CURLE_OK;
    p->moved_ns = clock_ns();
    if (curl_multi_add_handle(p->c->multi, p->c->easy) != CURLM_OK) {
        snprintf(p->c->error, sizeof p->c->error, "libcurl cannot start a transfer");
        return CLIENT_UNREACHABLE;
    }
    enum client_end end = run(p, &code);
    end = judge(p, end, code);
    curl_multi_remove_handle(p->c->multi, p->c->easy);
    return end;
}

enum client_end client_run(struct client *c, const struct client_flow *flow, const void *body,
                           size_t body_size)
{
    struct passage p = {.c = c, .flow = flow, .socket = -1};
    char *url = pfs_base_call(c->base, flow->path, flow->query, CLIENT_QUERY_MAX);
    c->status = 0;
    c->error[0] = '\0';
    curl_easy_reset(c->easy);
    set_target(&p, url);
    set_body(&p);
    if (body) {
        /* Goes out in one segment with the head, as far as it fits. */
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_size);
    }
    set_callbacks(&p);
    struct curl_slist *headers = set_headers(&p);
    enum client_end ended = run_prepared(&p);
    curl_slist_free_all(headers);
    pfs_bytes_free(&p.refusal);
    free(url);
    return ended;
}

enum client_end client_flow(struct client *c, const struct client_flow *flow)
{
    return client_run(c, flow, NULL, 0);
}
