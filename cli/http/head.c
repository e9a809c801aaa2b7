/* SPDX-License-Identifier: MIT
 *
 * Heads of requests; see head.h. Pure, any thread. */
#include "http/head.h"

#include <string.h>
#include <strings.h>

#include "http/number.h"

/* Text kept in one place because several checks come to the same. */
static const char too_long_url[] = "request target longer than 8192 bytes";
static const char too_long_head[] = "request head longer than 64 KiB";

bool http_is_token_char(char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c && strchr("!#$%&'*+-.^_`|~", c);
}

/* The line at scan->line ends at `end` (its LF). 1: it is the empty line that
 * ends the head; 0: it is another; a negative status: it is bad. */
static int end_line(struct http_scan *scan, const char *buf, size_t end, const char **why)
{
    if (end == scan->line || buf[end - 1] != '\r') {
        *why = "line not ended by CR LF";
        return -400;
    }
    bool empty = end == scan->line + 1u;
    scan->line = (uint32_t)end + 1;
    if (!empty) {
        scan->has_begun = true;
        return 0;
    }
    if (scan->has_begun)
        return 1;
    /* Some clients end a body with a CR LF that it does not count. */
    if (scan->begin) {
        *why = "empty request line";
        return -400;
    }
    scan->begin = scan->line;
    return 0;
}

int http_head_scan(struct http_scan *scan, const char *buf, size_t len, const char **why)
{
    while (scan->looked_at < len) {
        size_t from = scan->looked_at;
        const char *lf = memchr(buf + from, '\n', len - from);
        scan->looked_at = (uint32_t)(lf ? (size_t)(lf - buf) + 1 : len);
        if (!scan->has_begun && scan->looked_at - scan->begin > HTTP_URL_MAX + 64) {
            *why = too_long_url;
            return -414;
        }
        if (scan->looked_at - scan->begin > HTTP_HEAD_MAX) {
            *why = too_long_head;
            return -431;
        }
        if (!lf)
            break;
        int rc = end_line(scan, buf, (size_t)(lf - buf), why);
        if (rc)
            return rc < 0 ? rc : (int)scan->looked_at;
    }
    /* Not HTTP at all (TLS, say) is known by its first byte. */
    if (len > scan->begin && buf[scan->begin] != '\r' && !http_is_token_char(buf[scan->begin])) {
        *why = "not an HTTP request";
        return -400;
    }
    return 0;
}

static enum http_method method_of(const char *text)
{
    static const struct {
        const char *text;
        enum http_method method;
    } known[] = {
        {"GET", HTTP_GET},         {"PUT", HTTP_PUT},   {"POST", HTTP_POST},
        {"DELETE", HTTP_DELETE},   {"HEAD", HTTP_HEAD}, {"PATCH", HTTP_PATCH},
        {"OPTIONS", HTTP_OPTIONS},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(text, known[i].text))
            return known[i].method;
    return HTTP_OTHER;
}

static int refuse(int status, const char **why, const char *text)
{
    *why = text;
    return status;
}

/* The part of a target that says what is wanted: "/...", what follows the host in
 * "http://host/...", or "*" of OPTIONS. NULL: none of them. */
static char *local_part(char *target, char *end, enum http_method method)
{
    if (*target == '/')
        return target;
    if (method == HTTP_OPTIONS && end == target + 1 && *target == '*')
        return target;
    if (end - target < 8 || strncasecmp(target, "http://", 7) != 0)
        return NULL;
    char *p = target + 7;
    while (p < end && *p != '/' && *p != '?')
        p++;
    if (p == target + 7)
        return NULL;
    if (p == end || *p == '?')
        *--p = '/'; /* over the last letter of the host: nothing is lost that we use */
    return p;
}

static int parse_target(struct http_head *h, char *target, char *end, const char **why)
{
    if (end - target > HTTP_URL_MAX)
        return refuse(414, why, too_long_url);
    for (char *p = target; p < end; p++)
        if ((unsigned char)*p <= ' ' || *p == 127 || *p == '#')
            return refuse(400, why, "bad byte in the request target");
    char *path = target < end ? local_part(target, end, (enum http_method)h->method) : NULL;
    if (!path)
        return refuse(400, why, "bad request target");
    char *question = memchr(path, '?', (size_t)(end - path));
    char *query = question ? question + 1 : end;
    char *path_end = question ? question : end;
    ptrdiff_t path_len = http_url_decode(path, (size_t)(path_end - path), false);
    if (path_len < 0 || memchr(path, '\0', (size_t)path_len))
        return refuse(400, why, "bad percent-encoding in the path");
    path[path_len] = '\0';
    if (http_query_parse(&h->query, query, (size_t)(end - query)) < 0)
        return refuse(400, why, "bad query: percent-encoding, or too many parameters");
    h->path = (uint16_t)(path - h->text);
    h->query_text = (uint16_t)(query - h->text);
    return 0;
}

static int parse_version(struct http_head *h, const char *text, size_t len, const char **why)
{
    if (len != 8 || memcmp(text, "HTTP/", 5) != 0 || text[6] != '.' || text[5] < '0' ||
        text[5] > '9' || text[7] < '0' || text[7] > '9')
        return refuse(400, why, "bad HTTP version");
    if (text[5] != '1')
        return refuse(505, why, "HTTP/1.1 is spoken here");
    h->minor = text[7] != '0';
    h->keep_alive = h->minor == 1;
    return 0;
}

/* `end` is the CR of the line. */
static int parse_request_line(struct http_head *h, char *line, char *end, const char **why)
{
    char *method_end = line;
    while (method_end < end && http_is_token_char(*method_end))
        method_end++;
    if (method_end == line || method_end == end || *method_end != ' ')
        return refuse(400, why, "bad request line");
    char *target = method_end + 1;
    char *target_end = memchr(target, ' ', (size_t)(end - target));
    if (!target_end)
        return refuse(400, why, "bad request line");
    int rc = parse_version(h, target_end + 1, (size_t)(end - target_end - 1), why);
    if (rc)
        return rc;
    *method_end = '\0';
    h->method_text = (uint16_t)(line - h->text);
    h->method = (uint8_t)method_of(line);
    return parse_target(h, target, target_end, why);
}

/* Whether a comma-separated list has a word. */
static bool list_has(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; *p;) {
        p += strspn(p, " \t,");
        size_t len = strcspn(p, " \t,");
        if (len == n && !strncasecmp(p, word, n))
            return true;
        p += len;
    }
    return false;
}

static int note_length(struct http_head *h, const char *value, const char **why)
{
    if (h->content_length >= 0)
        return refuse(400, why, "more than one Content-Length");
    int64_t n = http_number_parse(value, strlen(value), 10);
    if (n < 0)
        return refuse(400, why, "bad Content-Length");
    h->content_length = n;
    return 0;
}

static int note_coding(struct http_head *h, const char *value, const char **why)
{
    if (h->chunked)
        return refuse(400, why, "more than one Transfer-Encoding");
    if (strcasecmp(value, "chunked") != 0)
        return refuse(501, why, "transfer coding not supported");
    h->chunked = true;
    return 0;
}

/* What the fields that matter to the core say. */
static int note_field(struct http_head *h, const char *name, const char *value, unsigned *hosts,
                      const char **why)
{
    if (!strcasecmp(name, "content-length"))
        return note_length(h, value, why);
    if (!strcasecmp(name, "transfer-encoding"))
        return note_coding(h, value, why);
    if (!strcasecmp(name, "host")) {
        ++*hosts;
    } else if (!strcasecmp(name, "connection")) {
        if (list_has(value, "close"))
            h->keep_alive = false;
        else if (h->minor == 0 && list_has(value, "keep-alive"))
            h->keep_alive = true;
    } else if (!strcasecmp(name, "expect")) {
        if (strcasecmp(value, "100-continue") != 0)
            return refuse(417, why, "unknown expectation");
        h->expects_continue = h->minor == 1;
    }
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_value(const char *p, const char *end)
{
    for (; p < end; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 127)
            return false;
    return true;
}

/* One "Name: value"; `end` is the CR of the line. */
static int parse_field(struct http_head *h, char *line, char *end, unsigned *hosts,
                       const char **why)
{
    if (is_blank(*line))
        return refuse(400, why, "folded header line");
    char *colon = line;
    while (colon < end && http_is_token_char(*colon))
        colon++;
    if (colon == line || colon == end || *colon != ':')
        return refuse(400, why, "bad header name");
    char *value = colon + 1;
    while (value < end && is_blank(*value))
        value++;
    while (end > value && is_blank(end[-1]))
        end--;
    if (!is_value(value, end))
        return refuse(400, why, "bad byte in a header");
    if (h->n_fields == HTTP_FIELDS_MAX)
        return refuse(431, why, "more than 100 header lines");
    *colon = '\0';
    *end = '\0';
    h->field[h->n_fields].name = (uint16_t)(line - h->text);
    h->field[h->n_fields].value = (uint16_t)(value - h->text);
    h->n_fields++;
    return note_field(h, line, value, hosts, why);
}

/* What can only be said when all fields are known. */
static int check_whole(const struct http_head *h, unsigned hosts, const char **why)
{
    if (h->chunked && h->content_length >= 0)
        return refuse(400, why, "Content-Length beside Transfer-Encoding");
    if (h->chunked && h->minor == 0)
        return refuse(400, why, "Transfer-Encoding in HTTP/1.0");
    if (hosts > 1 || (h->minor == 1 && !hosts))
        return refuse(400, why, hosts ? "more than one Host" : "no Host");
    return 0;
}

int http_head_parse(struct http_head *out, char *text, size_t len, const char **why)
{
    *out = (struct http_head){.text = text, .len = (uint32_t)len, .content_length = -1};
    unsigned hosts = 0;
    char *end = text + len - 2; /* the empty line */
    for (char *line = text; line < end;) {
        char *lf = memchr(line, '\n', (size_t)(text + len - line));
        int rc = line == text ? parse_request_line(out, line, lf - 1, why)
                              : parse_field(out, line, lf - 1, &hosts, why);
        if (rc)
            return rc;
        line = lf + 1;
    }
    return check_whole(out, hosts, why);
}

const char *http_head_field(const struct http_head *h, const char *name)
{
    for (unsigned i = 0; i < h->n_fields; i++)
        if (!strcasecmp(h->text + h->field[i].name, name))
            return h->text + h->field[i].value;
    return NULL;
}
