/* SPDX-License-Identifier: MIT
 *
 * The client and its ordinary calls, whose answers are held in memory; see
 * client.h. One thread. */
#include "pfs/client.h"

#include <stdlib.h>
#include <string.h>

#include "pfs/answer.h"
#include "pfs/client_private.h"

struct client *client_new(const struct pfs_base *base, int64_t timeout_ns)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct client *c = pfs_calloc(1, sizeof *c);
    *c = (struct client){.base = base,
                         .timeout_ns = timeout_ns,
                         .multi = pfs_must(curl_multi_init()),
                         .easy = pfs_must(curl_easy_init())};
    return c;
}

void client_free(struct client *c)
{
    if (!c)
        return;
    json_object_put(c->capabilities);
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    curl_global_cleanup();
    free(c);
}

const char *client_error(const struct client *c)
{
    return c->error;
}

long client_status(const struct client *c)
{
    return c->status;
}

/* ---- ordinary calls ---- */

enum client_end client_call(struct client *c, const struct client_call *call,
                            struct pfs_bytes *answer)
{
    struct client_flow flow = {.method = call->method,
                               .path = call->path,
                               .answer = answer,
                               .send_fd = -1,
                               .output_fd = -1,
                               .endless = call->patient,
                               /* What changes something is waited for, to tell whether it did. */
                               .interruptible = strcmp(call->method, "GET") == 0};
    memcpy(flow.query, call->query, sizeof flow.query);
    return client_run(c, &flow, call->body, call->body_size);
}

enum client_end client_json(struct client *c, const struct client_call *call,
                            struct json_object **out)
{
    struct pfs_bytes answer = {0};
    enum client_end ended = client_call(c, call, &answer);
    if (ended == CLIENT_DONE && answer.data && pfs_answer_too_many(answer.data)) {
        snprintf(c->error, sizeof c->error, "the server's answer has too many parts");
        ended = CLIENT_REFUSED;
    }
    if (ended == CLIENT_DONE) {
        *out = answer.data ? json_tokener_parse(answer.data) : NULL;
        if (!*out) {
            snprintf(c->error, sizeof c->error, "the answer of %s is no JSON: is it a StreamFS?",
                     c->base->url);
            ended = CLIENT_REFUSED;
        }
    }
    pfs_bytes_free(&answer);
    return ended;
}

enum client_end client_post_json(struct client *c, const char *path, struct json_object *body,
                                 char **message)
{
    const char *text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
    struct client_call call = {
        .method = "POST", .path = path, .body = text, .body_size = strlen(text)};
    struct json_object *answer = NULL;
    enum client_end ended = client_json(c, &call, &answer);
    if (ended == CLIENT_DONE && message)
        *message = pfs_strdup(pfs_answer_message(answer));
    json_object_put(answer);
    json_object_put(body);
    return ended;
}

bool client_can(struct client *c, const char *feature)
{
    if (!c->capabilities) {
        struct client_call call = {.method = "GET", .path = "/capabilities"};
        client_json(c, &call, &c->capabilities);
    }
    return pfs_answer_has_feature(c->capabilities, feature);
}
