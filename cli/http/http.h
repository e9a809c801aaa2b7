/* SPDX-License-Identifier: MIT
 *
 * An HTTP/1.1 server core: epoll loops, connections, requests with bodies that are
 * pushed as they arrive, replies that are pulled from a producer. It knows nothing
 * of what it serves.
 *
 * The model. A server has loops, one thread each. A connection belongs to one loop
 * for its whole life, and so does each exchange (one request and its reply) on it:
 * everything about an exchange happens on the thread of its loop or, while that
 * sleeps, on another loop's that takes the turn for it; so a handler needs no lock for
 * what belongs to one exchange. What comes from another thread comes as a task posted
 * to the loop (http_loop_post, http_loop_post_light), the only calls here, beside stop
 * and statistics, that may be made anywhere.
 *
 * No callback is ever called from inside a function of this header, with the
 * exception of http_server_start and http_server_stop: what a call causes happens
 * after the handler has returned to the loop.
 *
 * A handler must not block: all other connections of the loop would wait. */
#ifndef CLI_HTTP_HTTP_H
#define CLI_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct http_server;
struct http_loop;
struct http_exchange;

/* ---- Server ---------------------------------------------------------------- */

struct http_handler {
    void *user;
    /* A request head is complete and good. Reply to it, or take it (http_take),
     * or do both; a request that is neither replied to nor taken gets 500. */
    void (*request)(void *user, struct http_exchange *x);
    /* Optional. The body of a reply that the core makes itself (bad requests, time
     * limits, no room): write it into `buf`, return its length (at most `size`).
     * Without it such a reply is a line of text. `*type` is its content type. */
    size_t (*error_body)(void *user, int status, const char *why, char *buf, size_t size,
                         const char **type);
    /* Optional. On the thread of each loop, before its first and after its last
     * callback. What loop_begin returns is http_loop_user(loop); loop_end runs only
     * where loop_begin did. */
    void *(*loop_begin)(void *user, struct http_loop *loop);
    void (*loop_end)(void *user, struct http_loop *loop);
};

/* Zero is the default in every field; a negative time means none. */
/* What it takes to wake an idle processor of a virtual machine, and a little more. */
#define HTTP_LOOK_NS 60000

struct http_options {
    unsigned loops;           /* one per core that this process may use */
    unsigned max_connections; /* 16,384; further ones are told 503 */
    size_t max_buffered;      /* 256 MiB: all that waits in memory; see http_hold() */
    int64_t head_timeout_ns;  /* 10 s from its first byte (or the connect) to a whole head */
    int64_t idle_timeout_ns;  /* 120 s between two requests of a connection */
    int64_t body_timeout_ns;  /* 60 s without a byte of a body; http_set_body_timeout */
    int64_t send_timeout_ns;  /* 60 s in which a peer takes nothing; http_set_send_timeout */
    int64_t look_ns;          /* 60 us: a busy loop looks so long before it sleeps; -1: never */
};

/* `handler` and `options` (may be NULL) are copied. NULL: no memory or descriptors
 * (errno). */
struct http_server *http_server_new(const struct http_handler *handler,
                                    const struct http_options *options);

/* Listen at "127.0.0.1:8080", "[::1]:0", "localhost:8080", ":8080" (which is
 * 127.0.0.1) or "unix:/path". Addresses that are not loopback are refused. A socket
 * file that nobody listens at any more is replaced; it is made for its owner only.
 * Before start. 0, or -1 with one line in `why`. */
int http_server_listen(struct http_server *s, const char *address, char *why, size_t why_size);

/* Whether that could listen there, as far as the text alone says. 0, or -1 with one
 * line in `why`. Any thread. */
int http_address_check(const char *address, char *why, size_t why_size);

/* Where listener `index` (in the order of the calls) is: "127.0.0.1:40123",
 * "unix:/path". NULL: there is no such listener. Valid as long as the server. */
const char *http_server_address(const struct http_server *s, unsigned index);

/* Start the loops. 0, or -errno and nothing runs. Signals are blocked in them. */
int http_server_start(struct http_server *s);

/* Accept no more connections; from now on, replies close their connections. Any
 * thread but a loop's; not twice at the same time. Returns when the listeners are
 * closed. Idle connections are closed at once. */
void http_server_drain(struct http_server *s);

/* Drain, wait up to `timeout_ns` (0: do not wait; negative: for ever) for the
 * exchanges under way to end, cut what is left (its handlers are told
 * HTTP_END_STOPPED), and join the loops. A second call does nothing. */
void http_server_stop(struct http_server *s, int64_t timeout_ns);

/* After stop, or when it was never started. NULL is fine. */
void http_server_free(struct http_server *s);

struct http_stats {
    uint64_t accepted, refused, requests; /* refused: told 503 for want of room */
    uint64_t bytes_in, bytes_out;         /* on the wire */
    uint64_t connections;                 /* now */
    uint64_t wakes;                       /* of sleeping loops from other threads */
    uint64_t helped;                      /* where another loop did the work instead */
};
void http_server_stats(const struct http_server *s, struct http_stats *out); /* any thread */

/* As many descriptors as the system lets this process have. */
void http_raise_descriptor_limit(void);

/* ---- Loops, tasks, timers -------------------------------------------------- */

unsigned http_server_loops(const struct http_server *s);
struct http_loop *http_server_loop(struct http_server *s, unsigned index);
unsigned http_loop_index(const struct http_loop *loop);
void *http_loop_user(const struct http_loop *loop);
bool http_loop_is_mine(const struct http_loop *loop); /* whether this is its thread, now */
int64_t http_loop_now(const struct http_loop *loop);  /* CLOCK_MONOTONIC of this turn */

/* Something to be run on a loop. Lives in its owner; zero is a good start. */
struct http_task {
    struct http_task *_Atomic next;
    _Atomic bool queued;
    void (*run)(struct http_task *task);
};

/* Have `task` run once on the loop's thread, soon; it does not matter how often it
 * is posted before it runs. It may be posted again from the moment `run` is
 * entered. Never blocks and never fails; costs a system call only if the loop
 * sleeps, and then one for all that is posted until it is awake. From the loop's
 * own thread it runs before the loop sleeps again. The owner may free it inside
 * `run` or when it knows that it is not queued and will not be posted. Tasks posted
 * after the loop has ended never run. Any thread. */
void http_loop_post(struct http_loop *loop, struct http_task *task);

/* The same for little work, a few microseconds with all that follows from it: posted
 * on the thread of another loop that has time, it may run there, after the call, as
 * if on the loop's own; nothing else of the loop runs meanwhile. Elsewhere it is
 * http_loop_post(). Any thread. */
void http_loop_post_light(struct http_loop *loop, struct http_task *task);

/* A moment at which something is run. Lives in its owner; zero is a good start. */
struct http_timer {
    void (*run)(struct http_timer *timer);
    int64_t due_ns;
    /* private */
    struct http_timer *child, *next, *prev;
    int64_t key_ns;
    bool set;
};

/* Have `timer` run once when CLOCK_MONOTONIC reads `due_ns` or soon after, instead
 * of any earlier wish. Loop's thread only; clear it before it is freed. */
void http_timer_set(struct http_loop *loop, struct http_timer *timer, int64_t due_ns);
void http_timer_clear(struct http_loop *loop, struct http_timer *timer);

/* ---- The request ----------------------------------------------------------- */
/* Valid in `request`, and, where the request was taken, up to the end of the call
 * of `body` that has the last part. Texts end in a NUL and have none within, except
 * values of the query. */

enum http_method {
    HTTP_OTHER,
    HTTP_GET,
    HTTP_HEAD,
    HTTP_PUT,
    HTTP_POST,
    HTTP_DELETE,
    HTTP_PATCH,
    HTTP_OPTIONS,
};

enum http_method http_method(const struct http_exchange *x);
const char *http_method_text(const struct http_exchange *x);
int http_minor_version(const struct http_exchange *x); /* of HTTP/1: 0 or 1 */

/* The path with %XX decoded, otherwise as it came: begins with '/'. */
const char *http_path(const struct http_exchange *x);

/* The first value of a key of the query, decoded ('+' is a space), which may hold
 * NULs; "" for a key without '='. NULL: no such key. `len` may be NULL. */
const char *http_query(const struct http_exchange *x, const char *key, size_t *len);

/* The first header of that name (in any case). NULL: there is none. */
const char *http_header(const struct http_exchange *x, const char *name);

/* Bytes that the body is said to have; -1: chunked, it is not known. */
int64_t http_content_length(const struct http_exchange *x);

struct http_loop *http_exchange_loop(const struct http_exchange *x);

/* ---- Taking an exchange ---------------------------------------------------- */

/* Some bytes of a request body. */
struct http_part {
    const char *data; /* valid during the call */
    size_t len;
    bool chunk_end; /* a chunk of the sender ends here */
    bool last;      /* the body is complete; comes exactly once, maybe with len 0 */
};

struct http_batch {
    /* what there is room for */
    struct iovec *iov;
    unsigned max_iov; /* 64 */
    size_t max_bytes; /* more is not wrong, only not sent this time */
    /* to be filled */
    unsigned n_iov;
    const char *trailers; /* with HTTP_FLOW_END: "Name: value\r\n"...; copied */
};

enum http_flow {
    HTTP_FLOW_MORE,  /* ask again as soon as these are sent */
    HTTP_FLOW_IDLE,  /* there is no more for now: http_stream_resume() */
    HTTP_FLOW_END,   /* these are the last */
    HTTP_FLOW_ABORT, /* cut the connection so that the peer sees that bytes are missing */
};

enum http_end {
    HTTP_END_DONE,    /* the reply is complete and on its way */
    HTTP_END_GONE,    /* the peer closed, or the connection broke */
    HTTP_END_TIMEOUT, /* the peer was too slow, by a limit of ours */
    HTTP_END_BAD,     /* the body was no good HTTP or too large; the peer was told so */
    HTTP_END_ABORTED, /* the handler said so */
    HTTP_END_STOPPED, /* the server was stopped */
};

struct http_exchange_ops {
    /* The next part of the body. Returns how many bytes were taken; with fewer than
     * part->len, or HTTP_PAUSE (which is none, and the only way to pause a part of len
     * 0), the body is paused: nothing more is read from the peer, and the rest comes
     * again after http_body_resume(). NULL: the body is read and dropped. */
    size_t (*body)(struct http_exchange *x, void *data, const struct http_part *part);
    /* Streaming replies: hand out what comes next, without copying. Bytes that were
     * handed out stay untouched until `sent`; those that `sent` did not count must
     * be handed out again, first. */
    enum http_flow (*produce)(struct http_exchange *x, void *data, struct http_batch *batch);
    /* After each `produce` that handed out bytes: so many of them, from the front,
     * are with the kernel and may be released. May be 0. */
    void (*sent)(struct http_exchange *x, void *data, size_t bytes);
    /* Optional: the peer has taken nothing of a streaming reply for the send time limit.
     * True: it may have as long again; else it is cut. */
    bool (*patience)(struct http_exchange *x, void *data);
    /* The exchange is over; called exactly once for each one taken, as its last
     * callback. `x` must not be used after it. */
    void (*end)(struct http_exchange *x, void *data, enum http_end why);
};

#define HTTP_PAUSE SIZE_MAX

/* Be told of what happens to this exchange, from now on. In `request`, once. */
void http_take(struct http_exchange *x, const struct http_exchange_ops *ops, void *data);
void *http_exchange_data(const struct http_exchange *x);

/* Gather the body and hand it to `body` in one piece, with `last` set; a longer one
 * than `max` is answered with 413 and HTTP_END_BAD. In `request`. A body that has
 * arrived already is not copied. */
void http_want_whole_body(struct http_exchange *x, size_t max);

/* Hand out a paused body again. */
void http_body_resume(struct http_exchange *x);

/* Count memory that the handler needs for this exchange while it waits for its peer
 * among all that waits: bodies that are gathered, input that cannot be used yet, replies
 * that are not taken. False: there is no room. It is given back at the latest in `end`. */
bool http_hold(struct http_exchange *x, size_t bytes);
void http_unhold(struct http_exchange *x, size_t bytes);

/* Other time limits than the server's for this exchange; <= 0: none. Streaming
 * replies have no send time limit unless it is set after http_reply_stream(). */
void http_set_body_timeout(struct http_exchange *x, int64_t ns);
void http_set_send_timeout(struct http_exchange *x, int64_t ns);

/* Whether a peer that has closed its sending side counts as gone. On from an
 * http_reply_stream() without a length, since a reader that went away cannot be told
 * from it otherwise; off elsewhere, since a client may close after its last request. */
void http_set_end_on_hangup(struct http_exchange *x, bool on);

/* ---- The reply ------------------------------------------------------------- */
/* Exactly one for each exchange; further ones are ignored and return false. In
 * `request`, or for one that was taken at any time up to `end`. */

struct http_field {
    const char *name, *value;
};

struct http_reply {
    int status;
    const char *type;                /* content type; NULL: none */
    const struct http_field *fields; /* further header lines, without the core's own */
    size_t n_fields;
    const void *body; /* http_reply(); copied if it cannot be sent at once */
    size_t len;
    bool length_known; /* http_reply_stream(): `len` bytes will come; else chunked,
                        * or up to the close where the client is HTTP/1.0 */
    bool close;        /* close the connection afterwards */
};

/* A reply that is there already. The core adds Date, Content-Length, Connection,
 * and leaves the body out for HEAD and where the status has none. */
bool http_reply(struct http_exchange *x, const struct http_reply *reply);

/* The usual cases of it. `text` ends in a NUL. */
bool http_reply_text(struct http_exchange *x, int status, const char *type, const char *text);
bool http_reply_json(struct http_exchange *x, int status, const char *text);

/* The head now (it does not wait for the first bytes), then what `produce` hands
 * out, in chunks of up to 64 KiB, the last one followed by the trailers. The
 * exchange must have been taken. */
bool http_reply_stream(struct http_exchange *x, const struct http_reply *reply);

/* After HTTP_FLOW_IDLE: there is more, or the end. Loop's thread. */
void http_stream_resume(struct http_exchange *x);

/* A sign of life on an idle chunked stream: a leading zero of the next chunk's
 * size, which clients skip and whose time limits it restarts. At most 8 between
 * two chunks. False: not sent (not idle, too many, no room). */
bool http_stream_keepalive(struct http_exchange *x);

#endif
