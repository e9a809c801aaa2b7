/* SPDX-License-Identifier: MIT
 *
 * Trees of configuration; see conf.h. Pure. */
#include "common/conf.h"

#include <stdlib.h>
#include <string.h>

struct conf_node *conf_new(enum conf_kind kind, const char *key, unsigned line)
{
    struct conf_node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->kind = kind;
    node->line = line;
    if (key) {
        node->key = strdup(key);
        if (!node->key) {
            free(node);
            return NULL;
        }
    }
    return node;
}

void conf_append(struct conf_node *parent, struct conf_node *child)
{
    struct conf_node **end = &parent->children;
    while (*end)
        end = &(*end)->next;
    *end = child;
}

const struct conf_node *conf_child(const struct conf_node *table, const char *key)
{
    if (table->kind != CONF_TABLE)
        return NULL;
    for (const struct conf_node *child = table->children; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

const char *conf_kind_name(enum conf_kind kind)
{
    static const char *const names[] = {
        [CONF_TABLE] = "a table",        [CONF_ARRAY] = "an array",
        [CONF_TEXT] = "a string",        [CONF_INTEGER] = "an integer",
        [CONF_NUMBER] = "a number",      [CONF_BOOLEAN] = "true or false",
        [CONF_OTHER] = "a date or time",
    };
    return names[kind];
}

void conf_free(struct conf_node *node)
{
    while (node) {
        struct conf_node *next = node->next;
        conf_free(node->children); /* as deep as the parser lets files be */
        free(node->key);
        free(node->text);
        free(node);
        node = next;
    }
}

static struct conf_node *copy_one(const struct conf_node *from)
{
    struct conf_node *to = conf_new(from->kind, from->key, from->line);
    if (!to)
        return NULL;
    to->integer = from->integer;
    to->number = from->number;
    to->boolean = from->boolean;
    if (from->text) {
        to->text = strdup(from->text);
        if (!to->text) {
            conf_free(to);
            return NULL;
        }
    }
    return to;
}

struct conf_node *conf_copy(const struct conf_node *node)
{
    struct conf_node *to = copy_one(node);
    for (const struct conf_node *child = node->children; to && child; child = child->next) {
        struct conf_node *copy = conf_copy(child);
        if (!copy) {
            conf_free(to);
            return NULL;
        }
        conf_append(to, copy);
    }
    return to;
}
