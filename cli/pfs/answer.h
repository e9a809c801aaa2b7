/* SPDX-License-Identifier: MIT
 *
 * What a server's answers say, taken out of their JSON. Pure. */
#ifndef CLI_PFS_ANSWER_H
#define CLI_PFS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

/* The sentence of a refusal: its JSON "error", else its first line, else the status. */
void pfs_answer_error(char *out, size_t size, long status, const char *text, size_t n);

/* Whether JSON holds more values than any listing that we take: each costs up to 300
 * bytes of memory, and "{}," only three of an answer. */
#define PFS_ANSWER_VALUES_MAX 4000000
bool pfs_answer_too_many(const char *text);

/* The "message" of an answer, or "". Belongs to it. */
const char *pfs_answer_message(struct json_object *answer);

bool pfs_answer_has_feature(struct json_object *capabilities, const char *feature);

/* A member that is text without NUL, or `otherwise`. Belongs to `object`. */
const char *pfs_answer_text(struct json_object *object, const char *key, const char *otherwise);

/* A value as Python shows it: {'a': 1, 'b': None}. To free. */
char *pfs_answer_python(struct json_object *value);

#endif
