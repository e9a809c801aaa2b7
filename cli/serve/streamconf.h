/* SPDX-License-Identifier: MIT
 *
 * The parameters of a streamfs mount, read and checked. Pure. */
#ifndef CLI_SERVE_STREAMCONF_H
#define CLI_SERVE_STREAMCONF_H

#include <stdint.h>

#include <gostream.h>
#include <gostream/ring.h>

#include "common/conf.h"
#include "serve/kinds.h"
#include "serve/problem.h"

struct streamconf {
    uint64_t ring_bytes;
    uint64_t channel_bytes;
    uint64_t head_bytes;         /* 0: no sticky head */
    enum gos_ring_policy policy; /* of readers that do not say */
    int64_t block_timeout_ns;
    int64_t max_age_ns;  /* 0: for ever */
    int64_t idle_ttl_ns; /* 0: for ever */
    uint64_t max_streams;
    uint64_t max_readers;
    uint64_t memory_limit;     /* of the server's; 0: all of it */
    int64_t idle_keepalive_ns; /* 0: none */
};

#define STREAMCONF_PARAMS 11
extern const struct fs_param streamconf_params[STREAMCONF_PARAMS];

/* `config` may be NULL: all standard values. `room_bytes` is the memory that all
 * streams of the server share. */
int streamconf_read(struct streamconf *out, const struct conf_node *config, uint64_t room_bytes,
                    unsigned *line, struct problem *p);

/* A size of more than 0, as a number or a string. */
int streamconf_size(uint64_t *out, const struct conf_node *node, unsigned *line, struct problem *p);

#endif
