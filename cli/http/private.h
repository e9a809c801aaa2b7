/* SPDX-License-Identifier: MIT
 *
 * What the files of the server core share: servers, loops, connections. Everything
 * of a loop and of its connections belongs to the loop's thread, or to who helps it,
 * unless it is said otherwise here. */
#ifndef CLI_HTTP_PRIVATE_H
#define CLI_HTTP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#include "http/chunked.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/http.h"
#include "http/look.h"
#include "http/reply_head.h"
#include "http/tasks.h"
#include "http/timers.h"

#define HTTP_RECEIVE_SIZE ((size_t)256 << 10)
#define HTTP_CORK_SIZE ((size_t)64 << 10)
#define HTTP_REPLY_HEAD_MAX ((size_t)16 << 10)
#define HTTP_EVENTS 256
#define HTTP_ADDRESS_MAX 160

#define HTTP_OWNER(member, type, field) ((type *)(void *)((char *)(member)-offsetof(type, field)))

/* Something with a descriptor in an epoll set. */
struct http_polled {
    void (*on_events)(struct http_polled *p, uint32_t events);
};

enum conn_phase {
    CONN_HEAD,   /* waiting for a request, or for the rest of its head */
    CONN_BODY,   /* its body is coming */
    CONN_WAIT,   /* it is here; the handler has not replied yet */
    CONN_STREAM, /* the reply is pulled from the handler */
    CONN_REPLY,  /* the reply is there; its rest waits for room in the socket */
    CONN_LINGER, /* nothing more is sent; what the peer still sends is dropped, so that a
                  * reset does not take the reply away from it */
    CONN_CLOSED,
};

/* What has arrived and is not used yet. Its memory is the loop's receive buffer, or
 * the connection's stash. */
struct input {
    char *at;
    size_t len;
};

/* The part of a connection that is one request and its reply; emptied in between. */
struct http_exchange {
    const struct http_exchange_ops *ops; /* NULL: not taken */
    void *data;
    struct http_head *head; /* the loop's, or head_copy; NULL: gone */
    struct http_head *head_copy;
    /* body */
    bool whole, chunked, expects_continue;
    bool last_out;     /* the last part is with the handler, or was taken */
    bool body_done;    /* it was taken */
    bool paused;       /* by the handler */
    bool dropping;     /* replied already; what comes is not handed out */
    int64_t body_left; /* by Content-Length */
    uint64_t body_seen, body_limit;
    struct http_chunked decoder;
    char *gathered;
    size_t gathered_len, gathered_size;
    int64_t body_timeout_ns, send_timeout_ns;
    /* reply */
    bool is_head_method, minor_0, keep_alive;
    bool replied;   /* http_reply or http_reply_stream was called */
    bool streaming; /* the latter */
    bool idle;      /* the producer has nothing */
    bool end_on_hangup;
    bool cut; /* some of the reply is lost: nothing may follow it */
    bool length_known;
    uint64_t length_left; /* of a stream with a known length */
    struct http_framing framing;
};

TAILQ_HEAD(http_conns, http_conn);

struct http_conn {
    struct http_polled polled;
    struct http_exchange x;
    struct http_loop *loop;
    TAILQ_ENTRY(http_conn) all, ready;
    struct http_task adopt; /* from the accepting loop to its own */
    struct http_timer timer;
    int64_t since_ns; /* the last progress that its time limit counts from */
    int fd;
    uint8_t phase;         /* enum conn_phase */
    struct http_conns *in; /* ready is in it: the loop's `ready` or `turn`; NULL: in none */
    bool readable, writable;
    bool half_closed; /* the peer sends no more, although some may still be unread */
    bool hung_up;     /* the peer is away, or the connection broke */
    bool shut;        /* we send no more */
    bool refused;     /* there is no room: told so after its first head */
    bool holds_spare; /* and it has the descriptor that was kept for that */
    bool close_after; /* this exchange is its last */
    bool has_begun;   /* some request came */
    struct http_scan scan;
    char *stash; /* input that had to wait, at [stash_off, stash_off + stash_len) */
    size_t stash_off, stash_len;
    char *out; /* output that had to wait */
    size_t out_off, out_len, out_size;
};

struct http_listener {
    struct http_polled polled;
    struct http_server *server;
    int fd;
    bool watched; /* in the epoll set */
    char address[HTTP_ADDRESS_MAX];
    char *path; /* of a Unix socket, to be removed */
};

enum http_sleep {
    HTTP_AWAKE,
    HTTP_ASLEEP,
    HTTP_PROMISED /* asleep, and a loop that has time will help it; see help.c */
};

struct http_loop {
    /* immutable after start */
    struct http_server *server;
    unsigned index;
    pthread_t thread; /* of its starter only */
    int epoll_fd, wake_fd;
    void *user;
    /* any thread */
    struct http_tasks tasks;
    _Atomic int sleep;        /* enum http_sleep: who posts makes it HTTP_AWAKE and wakes it */
    _Atomic unsigned n_conns; /* counted when a connection is assigned */
    _Atomic uint64_t requests, bytes_in, bytes_out, wakes, helped;
    /* Held by its thread but for its sleep, and then by who helps it (help.c). Whoever
     * holds it is this loop's thread, for all fields below. */
    pthread_mutex_t turn_lock;
    struct http_loop *helps_next; /* another one, once this one has done its own work */
    bool by_helper;               /* this turn is a helper's */
    bool calm;                    /* it slept, and one event woke it */
    int64_t sleeps_until_ns;      /* INT64_MAX: for as long as nothing comes */
    struct http_polled wake_polled;
    int64_t now_ns;
    int64_t date_second;
    char date[HTTP_DATE_SIZE];
    bool draining, quit;
    bool coarse; /* the kernel sleeps in milliseconds */
    struct http_look look;
    struct http_timers timers;
    struct http_conns all, ready, turn, dead;
    struct http_conns late;    /* with replies that wait for those who are woken now */
    struct http_conn *running; /* the one that may use the buffers below */
    unsigned fills_left;       /* before somebody else has his turn */
    size_t pump_left;          /* likewise, bytes of a stream */
    struct http_head head;
    char *receive;       /* HTTP_RECEIVE_SIZE */
    size_t receive_base; /* below it lies the head of the running request */
    char *cork;          /* replies of the running connection, to be sent together */
    size_t cork_len;
    char *spare_gather; /* a body's buffer kept for the next */
    size_t spare_gather_size;
    struct iovec batch[HTTP_BATCH_IOV];
    struct http_frames frames;
    char reply_head[HTTP_REPLY_HEAD_MAX];
};

struct http_server {
    struct http_handler handler;
    struct http_options options; /* no zeros left */
    struct http_loop *loops;     /* options.loops of them */
    unsigned n_started;
    bool stopped;
    struct http_listener *listeners;
    unsigned n_listeners;
    /* the first loop's thread */
    int spare_fd; /* given up to tell one more client that there is no room; -1 */
    bool accepting;
    bool ended; /* it will not accept again */
    unsigned next_loop;
    struct http_timer accept_again;
    /* any thread */
    _Atomic uint64_t accepted, refused;
    _Atomic uint64_t buffered; /* see http_account_take() */
    pthread_mutex_t lock;
    pthread_cond_t none_left; /* n_conns of all loops is 0 */
};

/* server.c: of all loops together; any thread */
unsigned http_connections(const struct http_server *s);

/* loop.c */
int http_loop_init(struct http_loop *l, struct http_server *s, unsigned index);
void http_loop_finish(struct http_loop *l);
void *http_loop_thread(void *loop);
/* A turn but for events, timers and burials. */
void http_loop_work(struct http_loop *l);
void http_loop_wake(struct http_loop *l);
const char *http_loop_date(struct http_loop *l); /* of now, for a reply's head */
int64_t http_loop_clock(void);                   /* now */
/* Whose turn this thread runs: its own loop's or that of one it helps. NULL: no loop's. */
extern _Thread_local struct http_loop *http_loop_current;

/* help.c */
/* This thread's loop will help `other` before its turn ends. False: it has no time,
 * `other` must be woken. */
bool http_help_later(struct http_loop *other);
void http_help_not(struct http_loop *l); /* it has more to do itself */
void http_help(struct http_loop *l);     /* after its own work, before its late replies */

/* listen.c: address to a bound socket; accept.c: sockets to connections */
int http_listener_open(struct http_listener *out, const char *address, char *why, size_t size);
void http_listener_close(struct http_listener *l);
int http_accept_begin(struct http_server *s);
void http_accept_end(struct http_server *s);
void http_accept_freed(struct http_server *s, struct http_conn *c); /* its descriptor is closed */

/* What a step of a connection comes to. */
enum step {
    STEP_ON,   /* look at the phase again */
    STEP_WAIT, /* for an event, a time limit or the handler */
    STEP_DONE, /* it was closed */
};

/* conn.c: the life of a connection */
struct http_conn *http_conn_new(int fd);
void http_conn_adopt(struct http_loop *l, struct http_conn *c);
void http_conn_make_ready(struct http_conn *c); /* it gets a turn */
/* The same from a call of the handler's, when it may be running: then what was
 * changed is seen anyhow. */
void http_conn_touch(struct http_conn *c);
void http_conn_run(struct http_conn *c);
void http_conn_close(struct http_conn *c, enum http_end why);
void http_conn_free(struct http_conn *c);
void http_conn_expire(struct http_conn *c);
void http_conn_enter(struct http_conn *c, enum conn_phase phase);
/* Say what is wrong, as the reply if there was none yet, and close; an exchange
 * under way ends with `why`. Returns what the step that called it returns. */
enum step http_conn_refuse(struct http_conn *c, int status, const char *text, enum http_end why);
void http_conn_set_timer(struct http_conn *c);
bool http_conn_is_idle(const struct http_conn *c);
static inline struct http_conn *http_conn_of(const struct http_exchange *x)
{
    return HTTP_OWNER((uintptr_t)x, struct http_conn, x);
}

/* input.c */
enum fill {
    FILL_SOME,
    FILL_NONE, /* not now */
    FILL_END,  /* the peer has closed its side */
    FILL_GONE, /* the connection is broken */
};
enum fill http_input_fill(struct http_conn *c, struct input *in);
enum fill http_input_receive(struct http_conn *c, char *to, size_t size, size_t *got);
struct input http_input_load(struct http_conn *c);
bool http_input_save(struct http_conn *c, const struct input *in); /* false: no memory */
void http_input_drop(struct http_conn *c);
bool http_input_is_in(const char *at, const char *buffer, size_t size);

/* request.c: heads */
enum step http_request_step(struct http_conn *c, struct input *in);
bool http_request_keep_head(struct http_exchange *x); /* false: no memory */
void http_request_drop_head(struct http_conn *c);

/* body.c, gather.c: bodies */
enum step http_body_step(struct http_conn *c, struct input *in);
/* Whether a reply now can leave the connection usable: the body is here, or so
 * little of it is missing that it can be dropped. */
bool http_body_can_end(const struct http_exchange *x);
enum http_gather {
    HTTP_GATHER_OK,
    HTTP_GATHER_NO_ROOM, /* all bodies together, or the system's memory */
    HTTP_GATHER_TOO_BIG,
};
/* Add `len` bytes of a body of `total` (0: not known). */
enum http_gather http_gather_add(struct http_conn *c, const char *data, size_t len, size_t total);
enum http_gather http_gather_reserve(struct http_conn *c, size_t len, size_t total);
void http_gather_free(struct http_conn *c);
/* Memory in which something waits for a peer. False: there is enough of it already. */
bool http_account_take(struct http_server *s, size_t more);
/* A little beyond, for replies: bodies that fill the account must not cut those off
 * who are told that it is full. */
bool http_account_take_reply(struct http_server *s, size_t more);
void http_account_give(struct http_server *s, size_t less);

/* output.c: bytes to the socket, in order: `out`, the cork, what is given */
bool http_output_send(struct http_conn *c, const struct iovec *iov, unsigned n);
ptrdiff_t http_output_push(struct http_conn *c, const struct iovec *iov, unsigned n);
bool http_output_keep(struct http_conn *c, const void *data, size_t len); /* or the end of c */
bool http_output_try_keep(struct http_conn *c, const void *data, size_t len);
bool http_output_flush(struct http_conn *c);
void http_output_drop(struct http_conn *c);

/* stream.c */
enum step http_stream_step(struct http_conn *c);

#endif
