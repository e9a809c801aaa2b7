/* SPDX-License-Identifier: MIT
 *
 * A configuration as a plain tree, whatever format it was written in. Each node
 * knows its line, so that what is wrong with it can be told with a place. */
#ifndef CLI_COMMON_CONF_H
#define CLI_COMMON_CONF_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum conf_kind {
    CONF_TABLE,
    CONF_ARRAY,
    CONF_TEXT,
    CONF_INTEGER,
    CONF_NUMBER,
    CONF_BOOLEAN,
    CONF_OTHER, /* dates, and what else nobody here asks for */
};

struct conf_node {
    enum conf_kind kind;
    unsigned line; /* from 1; 0: it came from no file */
    char *key;     /* NULL in an array and at the top */
    char *text;    /* CONF_TEXT */
    int64_t integer;
    double number;
    bool boolean;
    struct conf_node *children; /* of a table or an array, in order */
    struct conf_node *next;
};

/* An empty node, with a copy of `key` (may be NULL). NULL: out of memory. */
struct conf_node *conf_new(enum conf_kind kind, const char *key, unsigned line);

/* Hang `child` behind the other children. */
void conf_append(struct conf_node *parent, struct conf_node *child);

/* The child of this key, or NULL. */
const struct conf_node *conf_child(const struct conf_node *table, const char *key);

/* The node with all below it. NULL: out of memory. */
struct conf_node *conf_copy(const struct conf_node *node);

/* "a table", "a string": for messages. */
const char *conf_kind_name(enum conf_kind kind);

void conf_free(struct conf_node *node);

#ifdef __cplusplus
}
#endif

#endif
