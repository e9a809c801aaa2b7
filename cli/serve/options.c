/* SPDX-License-Identifier: MIT
 *
 * The one table of the options of `pfs serve`; see options.h. */
#include "serve/options.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/endpoint.h"
#include "common/opt.h"
#include "common/policy.h"
#include "serve/answer.h"
#include "serve/log.h"
#include "serve/sizes.h"

#define FIELD(name) offsetof(struct serve_options, name)

static const char *check_number(const char *text, int64_t least, int64_t most, const char *words)
{
    int64_t value;
    return parse_int64(text, &value) && value >= least && value <= most ? NULL : words;
}

static const char *check_port(const char *text)
{
    return check_number(text, 0, 65535, "is not a port");
}

static const char *check_threads(const char *text)
{
    return check_number(text, 1, 64, "is not a number from 1 to 64");
}

static const char *check_busy_poll(const char *text)
{
    int64_t ns;
    return busy_poll_parse(&ns, text) < 0 ? "is not " BUSY_POLL_FORMAT : NULL;
}

static const char *check_fd(const char *text)
{
    int64_t fd;
    if (!parse_int64(text, &fd) || fd < 0 || fd > 1 << 20)
        return "is not a descriptor";
    /* Now, as later the number may be that of a descriptor of our own. */
    return fcntl((int)fd, F_GETFD) < 0 ? "is not open" : NULL;
}

static const char *check_size(const char *text)
{
    uint64_t size;
    return size_parse(&size, text) == 0 && size > 0 ? NULL : "is not a size";
}

static const char *check_policy(const char *text)
{
    enum gos_ring_policy policy;
    return policy_parse(&policy, text) == 0 ? NULL : "is not " POLICY_NAMES;
}

static const char *check_log_level(const char *text)
{
    enum log_level level;
    return log_level_parse(&level, text) == 0 ? NULL : "is not " LOG_LEVELS;
}

static const struct opt table_opts[] = {
    {.name = "config",
     .letter = 'c',
     .kind = OPT_TEXT,
     .field = FIELD(config),
     .arg = "FILE",
     .example = "--config pfs.toml",
     .help = "read this configuration (TOML); options go before it"},
    {.name = "listen",
     .kind = OPT_TEXT,
     .field = FIELD(listen),
     .arg = "ADDR:PORT",
     .example = "--listen 127.0.0.1:9000",
     .help = "where to listen (127.0.0.1:8080); loopback only; a port alone\n"
             "is one of 127.0.0.1"},
    {.name = "port",
     .kind = OPT_TEXT,
     .field = FIELD(port),
     .arg = "PORT",
     .check = check_port,
     .example = "--port 0",
     .help = "another port; 0: the system chooses, and it is told"},
    {.name = "unix",
     .kind = OPT_TEXT,
     .field = FIELD(unix_socket),
     .arg = "PATH",
     .example = "--unix /run/pfs.sock",
     .help = "listen on this Unix socket, too"},
    {.name = "ring-buffer-size",
     .kind = OPT_TEXT,
     .field = FIELD(ring_size),
     .arg = "SIZE",
     .check = check_size,
     .example = "--ring-buffer-size 64MB",
     .help = "history of each stream for late readers (6MB)"},
    {.name = "channel-buffer-size",
     .kind = OPT_TEXT,
     .field = FIELD(channel_size),
     .arg = "SIZE",
     .check = check_size,
     .example = "--channel-buffer-size 6MB",
     .help = "how far a reader may lag before its policy acts (6MB)"},
    {.name = "policy",
     .kind = OPT_TEXT,
     .field = FIELD(policy),
     .arg = "NAME",
     .check = check_policy,
     .example = "--policy block",
     .help = "of readers that lag and did not say: drop_oldest (standard),\n"
             "drop_to_latest, disconnect, block, drop_new"},
    {.name = "memory-limit",
     .kind = OPT_SIZE,
     .field = FIELD(memory_limit),
     .arg = "SIZE",
     .not_zero = true,
     .example = "--memory-limit 4G",
     .help = "memory of all streams together (1G)"},
    {.name = "max-body",
     .kind = OPT_SIZE,
     .field = FIELD(body_max),
     .arg = "SIZE",
     .not_zero = true,
     .example = "--max-body 256M",
     .help = "largest body of a request, streams excepted (64M)"},
    {.name = "drain-timeout",
     .kind = OPT_SECONDS,
     .field = FIELD(drain_timeout_ns),
     .arg = "SECONDS",
     .example = "--drain-timeout 30",
     .help = "at the end, wait so long for readers to read the rest (10)"},
    {.name = "threads",
     .kind = OPT_TEXT,
     .field = FIELD(threads),
     .arg = "N",
     .check = check_threads,
     .example = "--threads 2",
     .help = "loops that serve (one per processor)"},
    {.name = "busy-poll",
     .kind = OPT_TEXT,
     .field = FIELD(busy_poll),
     .arg = "TIME",
     .check = check_busy_poll,
     .example = "--busy-poll 2ms",
     .help = "a busy loop looks so long before it sleeps (60us); 0: never"},
    {.name = "log-level",
     .kind = OPT_TEXT,
     .field = FIELD(log_level),
     .arg = "LEVEL",
     .check = check_log_level,
     .example = "--log-level warn",
     .help = "least of the lines on stderr: debug, info (standard), warn, error"},
    {.name = "ready-fd",
     .kind = OPT_TEXT,
     .field = FIELD(ready_fd),
     .arg = "FD",
     .check = check_fd,
     .example = "--ready-fd 3 3>addresses",
     .help = "write the addresses to this descriptor, one a line, and\n"
             "close it, when all are open"},
    {.name = "print-config",
     .kind = OPT_FLAG,
     .field = FIELD(print_config),
     .help = "print the configuration that would be used, and end"},
    OPT_HELP(FIELD(help)),
};

static const struct opt_table table = {table_opts, sizeof table_opts / sizeof *table_opts};

int serve_options_parse(struct serve_options *out, int argc, char **argv, char *why,
                        size_t why_size)
{
    struct opt_list rest = {0};
    *out = (struct serve_options){.drain_timeout_ns = -1};
    int rc = opt_parse(&table, out, argc, argv, &rest, why, why_size);
    if (rc == 0 && rest.n > 0) {
        snprintf(why, why_size, "what is \"%s\" for?", rest.items[0]);
        rc = -1;
    }
    opt_free(&table, out, &rest);
    return rc;
}

void serve_options_help(FILE *out)
{
    fputs("usage: pfs serve [OPTION]...\n\n"
          "Serve streams and files over HTTP, on this machine only.\n\n",
          out);
    opt_help(&table, out);
}

static int replace(char **out, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return -1;
    free(*out);
    *out = copy;
    return 0;
}

static int replace_port(struct config *c, const char *port)
{
    char address[ENDPOINT_MAX];
    const char *colon = strrchr(c->address, ':');
    int host = colon ? (int)(colon - c->address) : (int)strlen(c->address);
    snprintf(address, sizeof address, "%.*s:%s", host, c->address, port);
    return replace(&c->address, address);
}

/* Parameters of streams that were given as options. */
static int set_streams(const struct serve_options *o, struct config *c)
{
    const struct {
        const char *key, *value;
    } given[] = {{"ring_buffer_size", o->ring_size},
                 {"channel_buffer_size", o->channel_size},
                 {"policy", o->policy}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i].value && config_set_streams(c, given[i].key, given[i].value) < 0)
            return -1;
    return 0;
}

/* What is a text in both. */
static int set_texts(const struct serve_options *o, struct config *c)
{
    if (o->listen) {
        char *address = config_address(o->listen);
        if (!address)
            return -1;
        free(c->address);
        c->address = address;
    }
    if (o->port && replace_port(c, o->port) < 0)
        return -1;
    if (o->log_level && replace(&c->log_level, o->log_level) < 0)
        return -1;
    return o->unix_socket ? replace(&c->unix_socket, o->unix_socket) : 0;
}

int serve_options_apply(const struct serve_options *o, struct config *c, char why[CONFIG_WHY])
{
    int64_t threads;
    if (set_texts(o, c) < 0 || set_streams(o, c) < 0) {
        snprintf(why, CONFIG_WHY, "out of memory");
        return -1;
    }
    if (o->memory_limit)
        c->memory_limit = o->memory_limit;
    if (o->body_max)
        c->body_max = o->body_max;
    if (o->drain_timeout_ns >= 0)
        c->drain_timeout_ns = o->drain_timeout_ns;
    if (o->threads && parse_int64(o->threads, &threads))
        c->threads = (uint64_t)threads;
    if (o->busy_poll)
        busy_poll_parse(&c->busy_poll_ns, o->busy_poll);
    return 0;
}
