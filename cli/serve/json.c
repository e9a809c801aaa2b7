/* SPDX-License-Identifier: MIT
 *
 * JSON out by hand, since it is little and its order is fixed; JSON in by
 * json-c. See json.h. Pure. */
#include "serve/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/text.h"

#define DEPTH_MAX 16
#define CONFIG_MEMBERS_MAX 64

static void put_escaped(struct bytes *out, unsigned char c)
{
    switch (c) {
    case '"':
        bytes_text(out, "\\\"");
        return;
    case '\\':
        bytes_text(out, "\\\\");
        return;
    case '\n':
        bytes_text(out, "\\n");
        return;
    case '\r':
        bytes_text(out, "\\r");
        return;
    case '\t':
        bytes_text(out, "\\t");
        return;
    default:
        bytes_format(out, "\\u%04x", c);
    }
}

/* Bytes of the character at `text`, of which `n` are left; 0: it is none. */
static size_t character(const char *text, size_t n)
{
    char piece[5] = {0};
    unsigned code;
    memcpy(piece, text, n < 4 ? n : 4);
    return text_decode(piece, &code);
}

void json_put_string(struct bytes *out, const char *text, size_t n)
{
    bytes_text(out, "\"");
    size_t begin = 0, i = 0;
    while (i < n) {
        unsigned char c = (unsigned char)text[i];
        size_t length = 1;
        bool plain = c >= ' ' && c != '"' && c != '\\' && c != 0x7f;
        if (c >= 0x80)
            length = character(text + i, n - i);
        if (plain && length > 0) {
            i += length;
            continue;
        }
        bytes_put(out, text + begin, i - begin);
        if (c >= 0x80)
            bytes_text(out, "\xef\xbf\xbd");
        else
            put_escaped(out, c);
        begin = ++i;
    }
    bytes_put(out, text + begin, n - begin);
    bytes_text(out, "\"");
}

void json_put_text(struct bytes *out, const char *text)
{
    json_put_string(out, text, strlen(text));
}

void json_put_word(struct bytes *out, const char *key, const char *text)
{
    bytes_format(out, "{\"%s\":", key);
    json_put_text(out, text);
    bytes_text(out, "}\n");
}

const char *json_time(char out[JSON_TIME_BYTES], int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    size_t n = 0;
    if (gmtime_r(&seconds, &tm))
        n = strftime(out, JSON_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, JSON_TIME_BYTES - n, ".%09ldZ", (long)(wall_ns % 1000000000));
    return out;
}

static void put_content(struct bytes *out, const struct fs_info *info)
{
    if (info->target) {
        bytes_text(out, "{\"target\":");
        json_put_text(out, info->target);
        bytes_text(out, "}");
        return;
    }
    if (info->n_content == 0) {
        bytes_text(out, "null");
        return;
    }
    for (unsigned i = 0; i < info->n_content; i++) {
        bytes_format(out, "%s\"%s\":", i ? "," : "{", info->content[i].key);
        json_put_text(out, info->content[i].value);
    }
    bytes_text(out, "}");
}

void json_put_info(struct bytes *out, const struct fs_info *info)
{
    char time[JSON_TIME_BYTES];
    bytes_text(out, "{\"name\":");
    json_put_text(out, info->name);
    bytes_format(out, ",\"size\":%llu,\"mode\":%u,\"modTime\":\"%s\",\"isDir\":%s",
                 (unsigned long long)info->size, info->mode, json_time(time, info->mtime_ns),
                 info->is_dir ? "true" : "false");
    bytes_format(out, ",\"meta\":{\"Name\":\"%s\",\"Type\":\"%s\",\"Content\":", info->meta_name,
                 info->meta_type);
    put_content(out, info);
    bytes_text(out, "}}");
}

static void put_conf_children(struct bytes *out, const struct conf_node *node)
{
    bool table = node->kind == CONF_TABLE;
    bytes_text(out, table ? "{" : "[");
    for (const struct conf_node *child = node->children; child; child = child->next) {
        if (child != node->children)
            bytes_text(out, ",");
        if (table) {
            json_put_text(out, child->key);
            bytes_text(out, ":");
        }
        json_put_conf(out, child);
    }
    bytes_text(out, table ? "}" : "]");
}

void json_put_conf(struct bytes *out, const struct conf_node *node)
{
    switch (node->kind) {
    case CONF_TABLE:
    case CONF_ARRAY:
        put_conf_children(out, node);
        return;
    case CONF_TEXT:
        json_put_text(out, node->text);
        return;
    case CONF_INTEGER:
        bytes_format(out, "%lld", (long long)node->integer);
        return;
    case CONF_NUMBER:
        bytes_format(out, "%.17g", node->number);
        return;
    case CONF_BOOLEAN:
        bytes_text(out, node->boolean ? "true" : "false");
        return;
    case CONF_OTHER:
        bytes_text(out, "null");
        return;
    }
}

/* Whether there are so few values and names that all of them may be made. Remarks and
 * other quotes, which json-c takes and JSON does not know, could hide some. */
static bool few_parts(const char *text, size_t n)
{
    unsigned parts = 0;
    bool quoted = false;
    for (size_t i = 0; i < n && parts <= JSON_PARTS_MAX; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted)
            i += text[i] == '\\';
        else if (text[i] == '\'' || text[i] == '/')
            return false;
        else
            parts += text[i] == ',' || text[i] == ':' || text[i] == '[' || text[i] == '{';
    }
    return parts <= JSON_PARTS_MAX;
}

struct json_object *json_read(const char *text, size_t n)
{
    return n <= JSON_WORDS_MAX ? json_read_data(text, n) : NULL;
}

struct json_object *json_read_data(const char *text, size_t n)
{
    if (n > INT32_MAX || !few_parts(text, n))
        return NULL;
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    if (!tokener)
        return NULL;
    json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object = json_tokener_parse_ex(tokener, text, (int)n);
    bool whole = json_tokener_get_error(tokener) == json_tokener_success;
    for (size_t i = json_tokener_get_parse_end(tokener); i < n && whole; i++)
        whole = strchr(" \t\r\n", text[i]) && text[i];
    json_tokener_free(tokener);
    if (whole && json_object_is_type(object, json_type_object))
        return object;
    json_object_put(object);
    return NULL;
}

const char *json_member_text(struct json_object *object, const char *key)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, key, &member) ||
        !json_object_is_type(member, json_type_string))
        return NULL;
    const char *text = json_object_get_string(member);
    /* A NUL would hide what is behind it. */
    return strlen(text) == (size_t)json_object_get_string_len(member) ? text : NULL;
}

bool json_member_true(struct json_object *object, const char *key)
{
    struct json_object *member;
    return json_object_object_get_ex(object, key, &member) &&
           json_object_is_type(member, json_type_boolean) && json_object_get_boolean(member);
}

static struct conf_node *to_conf(struct json_object *from, const char *key);

static bool add_child(struct conf_node *node, struct json_object *from, const char *key)
{
    struct conf_node *child = to_conf(from, key);
    if (child)
        conf_append(node, child);
    return child != NULL;
}

static bool add_children(struct conf_node *node, struct json_object *from)
{
    if (node->kind == CONF_TABLE) {
        if (json_object_object_length(from) > CONFIG_MEMBERS_MAX)
            return false;
        json_object_object_foreach(from, key, value)
        {
            if (!add_child(node, value, key))
                return false;
        }
    } else if (node->kind == CONF_ARRAY) {
        size_t n = json_object_array_length(from);
        if (n > CONFIG_MEMBERS_MAX)
            return false;
        for (size_t i = 0; i < n; i++)
            if (!add_child(node, json_object_array_get_idx(from, i), NULL))
                return false;
    }
    return true;
}

static enum conf_kind kind_of(struct json_object *from)
{
    switch (json_object_get_type(from)) {
    case json_type_object:
        return CONF_TABLE;
    case json_type_array:
        return CONF_ARRAY;
    case json_type_string:
        return CONF_TEXT;
    case json_type_int:
        return CONF_INTEGER;
    case json_type_double:
        return CONF_NUMBER;
    case json_type_boolean:
        return CONF_BOOLEAN;
    default:
        return CONF_OTHER;
    }
}

static struct conf_node *to_conf(struct json_object *from, const char *key)
{
    struct conf_node *node = conf_new(kind_of(from), key, 0);
    if (!node)
        return NULL;
    bool good = add_children(node, from);
    if (node->kind == CONF_TEXT) {
        node->text = strdup(json_object_get_string(from));
        good = node->text != NULL;
    } else if (node->kind == CONF_INTEGER) {
        node->integer = json_object_get_int64(from);
    } else if (node->kind == CONF_NUMBER) {
        node->number = json_object_get_double(from);
    } else if (node->kind == CONF_BOOLEAN) {
        node->boolean = json_object_get_boolean(from);
    }
    if (!good) {
        conf_free(node);
        return NULL;
    }
    return node;
}

struct conf_node *json_to_conf(struct json_object *object, struct problem *p)
{
    struct conf_node *node = to_conf(object, NULL);
    if (!node)
        problem_set(p, 400, "the configuration has too many members");
    return node;
}
