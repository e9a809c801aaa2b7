/* SPDX-License-Identifier: MIT
 *
 * The JSON that answers are made of, and the JSON of requests taken apart. Pure. */
#ifndef CLI_SERVE_JSON_H
#define CLI_SERVE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "common/conf.h"
#include "serve/bytes.h"
#include "serve/fs.h"
#include "serve/problem.h"

/* Appended with their quotes; bytes that are no UTF-8 become U+FFFD. */
void json_put_string(struct bytes *out, const char *text, size_t n);
void json_put_text(struct bytes *out, const char *text);

/* {"error":"..."} or {"message":"..."}, with a newline. */
void json_put_word(struct bytes *out, const char *key, const char *text);

/* "2026-11-20T09:22:41.073269917Z" */
#define JSON_TIME_BYTES 48
const char *json_time(char out[JSON_TIME_BYTES], int64_t wall_ns);

/* An entry, without a newline. */
void json_put_info(struct bytes *out, const struct fs_info *info);

/* A configuration as it was given. */
void json_put_conf(struct bytes *out, const struct conf_node *node);

/* A body that must be an object; freed by json_object_put(). NULL: it is none, or more
 * than JSON_WORDS_MAX bytes or JSON_PARTS_MAX parts: what is read takes many times the
 * memory of its text, and some of it is kept. */
#define JSON_WORDS_MAX 65536u
#define JSON_PARTS_MAX 4096u
struct json_object *json_read(const char *text, size_t n);

/* The same for a body that carries data in a string, which may be long. */
struct json_object *json_read_data(const char *text, size_t n);

/* A member that must be a string. NULL: it is missing or something else. */
const char *json_member_text(struct json_object *object, const char *key);
bool json_member_true(struct json_object *object, const char *key);

/* The same as a tree; NULL with a problem: out of memory, too deep, or too many. */
struct conf_node *json_to_conf(struct json_object *object, struct problem *p);

#endif
