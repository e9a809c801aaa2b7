/* SPDX-License-Identifier: MIT
 *
 * What the server is to be: from a file in TOML, the command line, and what
 * stands for neither. One thread, at the start. */
#ifndef CLI_SERVE_CONFIG_H
#define CLI_SERVE_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/conf.h"
#include "http/http.h"
#include "serve/kinds.h"

#define CONFIG_WHY 1024

struct config_mount {
    const struct fs_kind *kind;
    char *path;
    char *instance;           /* may be NULL */
    struct conf_node *config; /* a table; may be NULL */
    unsigned line, instance_line;
};

#define BUSY_POLL_DEFAULT_NS HTTP_LOOK_NS

struct config {
    char *file; /* NULL: there is none */
    char *address;
    char *unix_socket; /* NULL: none */
    char *log_level;
    uint64_t body_max;
    uint64_t memory_limit;
    uint64_t max_streams;
    uint64_t max_readers;     /* 0: no limit but those of the mounts */
    uint64_t max_connections; /* 0: the core's */
    uint64_t threads;         /* 0: one per processor */
    int64_t drain_timeout_ns;
    int64_t busy_poll_ns; /* how long a busy loop looks before it sleeps; 0: it does not */
    struct config_mount *mounts;
    size_t n_mounts;
};

/* The standard: streamfs at /streamfs, memfs at /memfs, devfs at /dev. 0, or -1:
 * out of memory. */
int config_init(struct config *c);
void config_finish(struct config *c);

/* Take a file in. Its mounts replace those of the standard, /dev excepted. 0, or
 * -1 and "FILE:LINE: what is wrong" in `why`. */
int config_read_file(struct config *c, const char *file, char why[CONFIG_WHY]);

/* The same for a text; `name` is what it is called in messages. */
int config_read_text(struct config *c, const char *name, const char *text, size_t n,
                     char why[CONFIG_WHY]);

/* Set a parameter of all streamfs mounts. 0, or -1: out of memory. */
int config_set_streams(struct config *c, const char *key, const char *value);

/* Whether every mount can be made as it is described. */
int config_check(const struct config *c, char why[CONFIG_WHY]);

/* All of it, as a file that could be read again. 0, or -1. */
int config_print(const struct config *c, FILE *out);

/* An address as it may be typed: a port alone is one of 127.0.0.1. NULL: out of memory. */
char *config_address(const char *text);

#endif
