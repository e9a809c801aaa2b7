/* SPDX-License-Identifier: MIT
 *
 * grep: the server searches; its matches come as one answer, or with --stream as
 * lines of JSON, each printed when it comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "pfs/answer.h"
#include "pfs/command.h"
#include "pfs/options.h"

struct grep {
    const struct pfs_run *r;
    const char *body;
    size_t body_sent;
    struct pfs_bytes line; /* the piece of a line of JSON that has come */
    long long count;
    char *error; /* of the server, in the middle of its answer */
};

/* A line of a file may hold NUL, at which what shows a text ends. */
static void print_content(struct json_object *match)
{
    struct json_object *content;
    if (!json_object_object_get_ex(match, "content", &content) ||
        !json_object_is_type(content, json_type_string))
        return;
    const char *text = json_object_get_string(content);
    const char *end = text + json_object_get_string_len(content);
    if (!pfs_to_terminal()) {
        fwrite(text, 1, (size_t)(end - text), stdout);
        return;
    }
    fputs(SHOWN(text), stdout);
    while ((text += strlen(text)) < end)
        printf("\\x00%s", SHOWN(++text));
}

static void print_match(struct json_object *match)
{
    struct json_object *line = NULL;
    json_object_object_get_ex(match, "line", &line);
    const char *file = pfs_answer_text(match, "file", "");
    printf("%s:%lld:", pfs_to_terminal() ? SHOWN(file) : file,
           (long long)json_object_get_int64(line));
    print_content(match);
    putchar('\n');
}

static struct json_object *question(const struct pfs_run *r)
{
    const struct pfs_options *o = r->options;
    struct json_object *body = pfs_must(json_object_new_object());
    json_object_object_add(body, "path", pfs_must(json_object_new_string(r->words[1])));
    json_object_object_add(body, "pattern", pfs_must(json_object_new_string(r->words[0])));
    json_object_object_add(body, "recursive", json_object_new_boolean(o->recursive));
    json_object_object_add(body, "case_insensitive", json_object_new_boolean(o->ignore_case));
    json_object_object_add(body, "stream", json_object_new_boolean(o->stream));
    return body;
}

/* ---- one answer ---- */

static enum client_end ask_at_once(struct grep *g)
{
    struct client_call call = {.method = "POST",
                               .path = "/grep",
                               .body = g->body,
                               .body_size = strlen(g->body),
                               .patient = true};
    struct json_object *answer = NULL, *matches;
    enum client_end end = client_json(g->r->client, &call, &answer);
    if (end == CLIENT_DONE && json_object_object_get_ex(answer, "matches", &matches) &&
        json_object_is_type(matches, json_type_array)) {
        g->count = (long long)json_object_array_length(matches);
        for (size_t i = 0; i < json_object_array_length(matches) && !g->r->options->count; i++)
            print_match(json_object_array_get_idx(matches, i));
    }
    json_object_put(answer);
    return end;
}

/* ---- lines of JSON ---- */

static void take_line(struct grep *g)
{
    struct json_object *line = g->line.n ? json_tokener_parse(g->line.data) : NULL;
    const char *error = pfs_answer_text(line, "error", NULL);
    if (error && !g->error)
        g->error = pfs_strdup(error);
    if (*pfs_answer_text(line, "file", "")) {
        g->count++;
        if (!g->r->options->count)
            print_match(line);
    }
    json_object_put(line);
    g->line.n = 0;
}

static int receive(void *user, const void *data, size_t n)
{
    struct grep *g = user;
    const char *p = data;
    while (n) {
        const char *newline = memchr(p, '\n', n);
        size_t piece = newline ? (size_t)(newline - p) : n;
        if (pfs_bytes_add_bounded(&g->line, p, piece) < 0) {
            g->error = pfs_strdup("the server sent a line that is longer than " PFS_BYTES_MAX_TEXT);
            return -1;
        }
        if (newline) {
            take_line(g);
            piece++;
        }
        p += piece;
        n -= piece;
    }
    return 0;
}

static int settle(void *user)
{
    (void)user;
    return fflush(stdout) == 0 ? 0 : -1;
}

static ssize_t send_question(void *user, void *buf, size_t n)
{
    struct grep *g = user;
    size_t left = strlen(g->body) - g->body_sent;
    n = left < n ? left : n;
    memcpy(buf, g->body + g->body_sent, n);
    g->body_sent += n;
    return (ssize_t)n;
}

static enum client_end ask_for_lines(struct grep *g)
{
    struct client_flow flow = {.method = "POST",
                               .path = "/grep",
                               .send = send_question,
                               .send_size = (int64_t)strlen(g->body),
                               .send_fd = -1,
                               .receive = receive,
                               .settle = settle,
                               .output_fd = 1,
                               .endless = true,
                               .user = g};
    enum client_end end = client_flow(g->r->client, &flow);
    if (end == CLIENT_DONE)
        take_line(g);
    return end;
}

int cmd_grep(const struct pfs_run *r)
{
    struct json_object *body = question(r);
    struct grep g = {.r = r, .body = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN)};
    enum client_end end = r->options->stream ? ask_for_lines(&g) : ask_at_once(&g);
    int status = g.count ? PFS_OK : PFS_FAILED; /* as grep(1): nothing found is not a success */
    if (end == CLIENT_STOPPED && !g.error)
        status = PFS_OK; /* nobody reads our stdout */
    else if (g.error)
        status = pfs_fail(r, r->words[1], g.error);
    else if (end == CLIENT_REFUSED && strstr(client_error(r->client), "use recursive=true"))
        status = pfs_fail(r, r->words[1], "is a directory; -r searches all that is in it");
    else if (end != CLIENT_DONE)
        status = pfs_fail_call(r, r->words[1]);
    else if (r->options->count)
        printf("%lld\n", g.count);
    free(g.error);
    pfs_bytes_free(&g.line);
    json_object_put(body);
    return status;
}
