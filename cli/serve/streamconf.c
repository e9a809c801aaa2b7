/* SPDX-License-Identifier: MIT
 *
 * Parameters of streamfs; see streamconf.h. The first two and the words about
 * them are those of the protocol; the others are ours. Pure. */
#include "serve/streamconf.h"

#include <string.h>

#include "common/policy.h"
#include "serve/sizes.h"

#define MIB (UINT64_C(1) << 20)
#define SECOND_NS INT64_C(1000000000)

const struct fs_param streamconf_params[STREAMCONF_PARAMS] = {
    {"channel_buffer_size", "string", "6MB",
     "How many bytes a lossy reader may lag (e.g. '512KB', '1MB')"},
    {"ring_buffer_size", "string", "6MB",
     "How many bytes of history are kept for late joiners (e.g. '1MB', '64MB')"},
    {"policy", "string", "drop_oldest",
     "What happens to a reader that lags: drop_oldest, drop_to_latest, disconnect, block, "
     "drop_new"},
    {"block_timeout", "string", "30s", "How long a writer waits for readers of policy block"},
    {"max_age", "string", "0", "History older than this is forgotten (0: never)"},
    {"idle_ttl", "string", "0", "A stream that nobody uses for so long is deleted (0: never)"},
    {"max_streams", "int", "4096", "Streams in this mount at most"},
    {"max_readers", "int", "16384", "Readers of one stream at most"},
    {"memory_limit", "string", "",
     "So much of the server's memory, at most, is for this mount's streams (all of it)"},
    {"head_size", "string", "0",
     "So many of the first bytes are given to every late reader first, e.g. the head of a media "
     "file (at most 1MB)"},
    {"idle_keepalive", "string", "0", "A sign of life on idle streaming reads, so often (0: none)"},
};

int streamconf_size(uint64_t *out, const struct conf_node *node, unsigned *line, struct problem *p)
{
    uint64_t value = 0;
    *line = node->line;
    if (node->kind == CONF_TEXT) {
        if (size_parse(&value, node->text) < 0)
            return problem_set(p, 400, "invalid %s: invalid size format: %s (expected format: %s)",
                               node->key, node->text, SIZE_FORMAT);
    } else if (node->kind == CONF_INTEGER) {
        value = node->integer > 0 ? (uint64_t)node->integer : 0;
    } else if (node->kind == CONF_NUMBER) {
        /* 2^62 is exact in a double; the comparison is false for a NaN. */
        if (!(node->number < 0x1p62) || node->number != (double)(int64_t)node->number)
            return problem_set(p, 400, "invalid %s: not a whole number of bytes", node->key);
        value = node->number > 0 ? (uint64_t)node->number : 0;
    } else {
        return problem_set(p, 400, "%s must be a size string (e.g., '1MB') or number", node->key);
    }
    if (value == 0)
        return problem_set(p, 400, "invalid %s: must be more than 0", node->key);
    *out = value;
    return 0;
}

static int read_size(uint64_t *out, const struct conf_node *config, const char *key, unsigned *line,
                     struct problem *p)
{
    const struct conf_node *node = conf_child(config, key);
    return node ? streamconf_size(out, node, line, p) : 0;
}

static int read_duration(int64_t *out, const struct conf_node *config, const char *key,
                         unsigned *line, struct problem *p)
{
    const struct conf_node *node = conf_child(config, key);
    if (!node)
        return 0;
    *line = node->line;
    if (node->kind == CONF_TEXT && duration_parse(out, node->text) == 0)
        return 0;
    if (node->kind == CONF_INTEGER && node->integer >= 0 &&
        !__builtin_mul_overflow(node->integer, SECOND_NS, out))
        return 0;
    return problem_set(p, 400, "invalid %s: expected a duration (e.g., '30s', '5m') or seconds",
                       key);
}

static int read_count(uint64_t *out, const struct conf_node *config, const char *key,
                      unsigned *line, struct problem *p)
{
    const struct conf_node *node = conf_child(config, key);
    uint64_t value;
    if (!node)
        return 0;
    *line = node->line;
    if (node->kind == CONF_INTEGER && node->integer > 0)
        value = (uint64_t)node->integer;
    else if (node->kind != CONF_TEXT || size_parse(&value, node->text) < 0)
        value = 0; /* shells send every value as a string */
    if (value == 0 || value > UINT32_MAX)
        return problem_set(p, 400, "invalid %s: expected a number from 1 to 4294967295", key);
    *out = value;
    return 0;
}

static int read_policy(enum gos_ring_policy *out, const struct conf_node *config, unsigned *line,
                       struct problem *p)
{
    const struct conf_node *node = conf_child(config, "policy");
    if (!node)
        return 0;
    *line = node->line;
    if (node->kind == CONF_TEXT && policy_parse(out, node->text) == 0)
        return 0;
    return problem_set(p, 400, "invalid policy: expected " POLICY_NAMES);
}

static int read_head(uint64_t *out, const struct conf_node *config, unsigned *line,
                     struct problem *p)
{
    const struct conf_node *node = conf_child(config, "head_size");
    if (!node)
        return 0;
    *line = node->line;
    if (node->kind == CONF_TEXT && strcmp(node->text, "0") == 0)
        return 0;
    if (streamconf_size(out, node, line, p) < 0)
        return -1;
    return *out <= MIB ? 0 : problem_set(p, 400, "invalid head_size: at most 1MB");
}

/* A mount may have less than the server, not more. */
static int honour_limit(const struct streamconf *c, const struct conf_node *config,
                        uint64_t room_bytes, unsigned *line, struct problem *p)
{
    if (c->memory_limit <= room_bytes)
        return 0;
    *line = conf_child(config, "memory_limit")->line;
    return problem_set(p, 400,
                       "invalid memory_limit: %llu bytes are more than the memory_limit of the "
                       "server (%llu)",
                       (unsigned long long)c->memory_limit, (unsigned long long)room_bytes);
}

/* What is well written may still be more than there is. */
static int honour(const struct streamconf *c, const struct conf_node *config, uint64_t room_bytes,
                  unsigned *line, struct problem *p)
{
    static const char *const keys[] = {"ring_buffer_size", "channel_buffer_size"};
    const uint64_t values[] = {c->ring_bytes, c->channel_bytes};
    const uint64_t limit = c->memory_limit ? c->memory_limit : room_bytes;
    for (int i = 0; i < 2; i++) {
        if (values[i] <= limit)
            continue;
        const struct conf_node *node = config ? conf_child(config, keys[i]) : NULL;
        *line = node ? node->line : config ? config->line : 0;
        return problem_set(p, 400, "invalid %s: %llu bytes%s are more than memory_limit (%llu)",
                           keys[i], (unsigned long long)values[i], node ? "" : " (standard)",
                           (unsigned long long)limit);
    }
    return 0;
}

static int read_sizes(struct streamconf *c, const struct conf_node *config, unsigned *line,
                      struct problem *p)
{
    if (read_size(&c->channel_bytes, config, "channel_buffer_size", line, p) < 0 ||
        read_size(&c->ring_bytes, config, "ring_buffer_size", line, p) < 0 ||
        read_size(&c->memory_limit, config, "memory_limit", line, p) < 0)
        return -1;
    return read_head(&c->head_bytes, config, line, p);
}

static int read_durations(struct streamconf *c, const struct conf_node *config, unsigned *line,
                          struct problem *p)
{
    if (read_duration(&c->block_timeout_ns, config, "block_timeout", line, p) < 0 ||
        read_duration(&c->max_age_ns, config, "max_age", line, p) < 0 ||
        read_duration(&c->idle_ttl_ns, config, "idle_ttl", line, p) < 0)
        return -1;
    if (c->block_timeout_ns == 0) {
        *line = conf_child(config, "block_timeout")->line;
        return problem_set(p, 400,
                           "invalid block_timeout: writers cannot wait for 0 s; a policy "
                           "other than block does not let them wait at all");
    }
    return read_duration(&c->idle_keepalive_ns, config, "idle_keepalive", line, p);
}

int streamconf_read(struct streamconf *out, const struct conf_node *config, uint64_t room_bytes,
                    unsigned *line, struct problem *p)
{
    struct streamconf c = {.ring_bytes = 6 * MIB,
                           .channel_bytes = 6 * MIB,
                           .policy = GOS_RING_DROP_OLDEST,
                           .block_timeout_ns = 30 * SECOND_NS,
                           .max_streams = 4096,
                           .max_readers = 16384};
    if (config && (read_sizes(&c, config, line, p) < 0 || read_durations(&c, config, line, p) < 0 ||
                   read_policy(&c.policy, config, line, p) < 0 ||
                   read_count(&c.max_streams, config, "max_streams", line, p) < 0 ||
                   read_count(&c.max_readers, config, "max_readers", line, p) < 0))
        return -1;
    if (honour_limit(&c, config, room_bytes, line, p) < 0 ||
        honour(&c, config, room_bytes, line, p) < 0)
        return -1;
    *out = c;
    return 0;
}
