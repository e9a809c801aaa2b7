/* SPDX-License-Identifier: MIT
 *
 * Heads of replies; see reply_head.h. Pure, any thread. */
#include "http/reply_head.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "http/head.h"

static const struct {
    int status;
    const char *text;
} status_texts[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Requested Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Entity"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

bool http_status_is_bodiless(int status)
{
    return status < 200 || status == 204 || status == 304;
}

const char *http_status_text(int status)
{
    for (size_t i = 0; i < sizeof status_texts / sizeof *status_texts; i++)
        if (status_texts[i].status == status)
            return status_texts[i].text;
    return "Unknown";
}

/* Text that grows until it no longer fits; then it stays too long. */
struct text {
    char *at;
    size_t size, len;
};

static void put(struct text *t, const char *s)
{
    size_t n = strlen(s);
    if (t->len + n <= t->size)
        memcpy(t->at + t->len, s, n);
    t->len += n;
}

static void put_number(struct text *t, uint64_t n)
{
    char digits[21], *p = digits + sizeof digits;
    *--p = '\0';
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    put(t, p);
}

static void put_field(struct text *t, const char *name, const char *value)
{
    put(t, name);
    put(t, ": ");
    put(t, value);
    put(t, "\r\n");
}

static bool is_field(const struct http_field *f)
{
    if (!*f->name)
        return false;
    for (const char *p = f->name; *p; p++)
        if (!http_is_token_char(*p))
            return false;
    for (const char *p = f->value; *p; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 127)
            return false;
    return true;
}

size_t http_reply_head(char *out, size_t size, const struct http_reply *reply,
                       const struct http_reply_form *form)
{
    struct text t = {.at = out, .size = size};
    put(&t, "HTTP/1.1 ");
    put_number(&t, (uint64_t)reply->status);
    put(&t, " ");
    put(&t, http_status_text(reply->status));
    put(&t, "\r\n");
    if (reply->type) {
        struct http_field type = {"Content-Type", reply->type};
        if (!is_field(&type))
            return 0;
        put_field(&t, type.name, type.value);
    }
    for (size_t i = 0; i < reply->n_fields; i++) {
        if (!is_field(&reply->fields[i]))
            return 0;
        put_field(&t, reply->fields[i].name, reply->fields[i].value);
    }
    put_field(&t, "Date", form->date);
    if (form->body == HTTP_BODY_CHUNKED) {
        put_field(&t, "Transfer-Encoding", "chunked");
    } else if (form->body == HTTP_BODY_LENGTH) {
        put(&t, "Content-Length: ");
        put_number(&t, form->length);
        put(&t, "\r\n");
    }
    if (!form->keep_alive)
        put_field(&t, "Connection", "close");
    else if (form->minor == 0)
        put_field(&t, "Connection", "keep-alive");
    put(&t, "\r\n");
    return t.len <= size ? t.len : 0;
}

void http_date(char out[HTTP_DATE_SIZE], int64_t seconds)
{
    static const char days[] = "SunMonTueWedThuFriSat",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)seconds;
    struct tm tm;
    gmtime_r(&t, &tm);
    char text[64]; /* so that the compiler sees room for any number */
    snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday,
             tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
             tm.tm_sec);
    memcpy(out, text, HTTP_DATE_SIZE - 1);
    out[HTTP_DATE_SIZE - 1] = '\0';
}
