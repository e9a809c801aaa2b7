/* SPDX-License-Identifier: MIT
 *
 * Reading answers; see answer.h. */
#include "pfs/answer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "pfs/memory.h"

const char *pfs_answer_text(struct json_object *object, const char *key, const char *otherwise)
{
    struct json_object *value;
    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return otherwise;
    /* With a NUL in it, it would be another text for us than for the server. */
    const char *text = json_object_get_string(value);
    return strlen(text) == (size_t)json_object_get_string_len(value) ? text : otherwise;
}

bool pfs_answer_too_many(const char *text)
{
    size_t values = 1;
    bool quoted = false;
    for (; *text; text++) {
        if (*text == '"')
            quoted = !quoted;
        else if (quoted && *text == '\\' && text[1])
            text++;
        else if (!quoted && strchr(",[{", *text))
            values++;
    }
    return values > PFS_ANSWER_VALUES_MAX;
}

void pfs_answer_error(char *out, size_t size, long status, const char *text, size_t n)
{
    struct json_object *answer = n ? json_tokener_parse(text) : NULL;
    const char *error = pfs_answer_text(answer, "error", NULL);
    if (error && *error) {
        snprintf(out, size, "%s", error);
    } else {
        /* A web server that is no StreamFS sends a page; a router one line of text. */
        size_t line = n ? strcspn(text, "\r\n") : 0;
        if (line && text[0] != '<' && text[0] != '{')
            snprintf(out, size, "HTTP %ld: %.*s", status, (int)(line < 200 ? line : 200), text);
        else
            snprintf(out, size, "HTTP %ld", status);
    }
    json_object_put(answer);
}

const char *pfs_answer_message(struct json_object *answer)
{
    return pfs_answer_text(answer, "message", "");
}

bool pfs_answer_has_feature(struct json_object *capabilities, const char *feature)
{
    struct json_object *list;
    if (!json_object_is_type(capabilities, json_type_object) ||
        !json_object_object_get_ex(capabilities, "features", &list) ||
        !json_object_is_type(list, json_type_array))
        return false;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (json_object_is_type(item, json_type_string) &&
            !strcmp(json_object_get_string(item), feature))
            return true;
    }
    return false;
}

static void add(struct pfs_bytes *out, const char *text)
{
    pfs_bytes_add(out, text, strlen(text));
}

static void add_python_character(struct pfs_bytes *out, char c, char quote)
{
    static const char named[] = "\n\r\t", names[] = "nrt";
    const char *name = strchr(named, c);
    char escaped[8];
    if (c == quote || c == '\\')
        snprintf(escaped, sizeof escaped, "\\%c", c);
    else if (name)
        snprintf(escaped, sizeof escaped, "\\%c", names[name - named]);
    else if ((unsigned char)c < 0x20 || c == 0x7f)
        snprintf(escaped, sizeof escaped, "\\x%02x", (unsigned)c);
    else
        snprintf(escaped, sizeof escaped, "%c", c);
    add(out, escaped);
}

static void add_python_text(struct pfs_bytes *out, const char *text)
{
    /* Python prefers ' and takes " where that saves escapes. */
    char quote = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'';
    pfs_bytes_add(out, &quote, 1);
    for (; *text; text++)
        add_python_character(out, *text, quote);
    pfs_bytes_add(out, &quote, 1);
}

static void add_python(struct pfs_bytes *out, struct json_object *value);

static void add_python_object(struct pfs_bytes *out, struct json_object *object)
{
    const char *between = "";
    add(out, "{");
    json_object_object_foreach(object, key, value)
    {
        add(out, between);
        add_python_text(out, key);
        add(out, ": ");
        add_python(out, value);
        between = ", ";
    }
    add(out, "}");
}

static void add_python_array(struct pfs_bytes *out, struct json_object *array)
{
    add(out, "[");
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        add(out, i ? ", " : "");
        add_python(out, json_object_array_get_idx(array, i));
    }
    add(out, "]");
}

static void add_python(struct pfs_bytes *out, struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        add(out, "None");
        break;
    case json_type_boolean:
        add(out, json_object_get_boolean(value) ? "True" : "False");
        break;
    case json_type_string:
        add_python_text(out, json_object_get_string(value));
        break;
    case json_type_object:
        add_python_object(out, value);
        break;
    case json_type_array:
        add_python_array(out, value);
        break;
    default:
        add(out, json_object_to_json_string(value));
    }
}

char *pfs_answer_python(struct json_object *value)
{
    struct pfs_bytes out = {0};
    add_python(&out, value);
    return out.data;
}
