/* SPDX-License-Identifier: MIT
 *
 * Addresses of the server and of calls; see base_url.h. */
#include "pfs/base_url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pfs/memory.h"

#define PREFIX "/api/v1"

static bool ends_with(const char *text, size_t n, const char *end)
{
    size_t k = strlen(end);
    return n >= k && !memcmp(text + n - k, end, k);
}

/* Whether "host:port/path" is this machine, and no proxy may stand before it. */
static bool is_loopback(const char *after_scheme)
{
    size_t n = strcspn(after_scheme, "/");
    const char *host = after_scheme;
    if (*host == '[')
        return !strncmp(host, "[::1]", 5);
    size_t length = strcspn(host, ":/");
    if (length > n)
        length = n;
    if (length == 9 && !strncasecmp(host, "localhost", 9))
        return true;
    /* Only an address: 127.example.net is anybody's. */
    return !strncmp(host, "127.", 4) && strspn(host, "0123456789.") == length;
}

static const char *check(const char *text)
{
    if (!*text)
        return "is empty; is a variable of the shell unset?";
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return "has a space or control character in it";
    if (strpbrk(text, "?#"))
        return "must end before any ? or #";
    return NULL;
}

static const char *parse_unix(struct pfs_base *out, const char *path)
{
    if (*path != '/')
        return "needs an absolute path, as in unix:/run/pfs.sock";
    if (strlen(path) > 107)
        return "is longer than the 107 bytes that the path of a Unix socket can have";
    *out = (struct pfs_base){.url = pfs_strdup("http://localhost" PREFIX),
                             .unix_path = pfs_strdup(path),
                             .loopback = true};
    return NULL;
}

const char *pfs_base_parse(struct pfs_base *out, const char *text)
{
    const char *wrong = check(text);
    if (wrong)
        return wrong;
    if (!strncmp(text, "unix:", 5))
        return parse_unix(out, text + 5);

    const char *scheme = "http://";
    const char *rest = text;
    if (!strncasecmp(text, "http://", 7)) {
        rest = text + 7;
    } else if (!strncasecmp(text, "https://", 8)) {
        scheme = "https://";
        rest = text + 8;
    } else if (strstr(text, "://")) {
        return "is neither http:// nor https:// nor unix:";
    }
    size_t n = strlen(rest);
    while (n && rest[n - 1] == '/')
        n--;
    if (!n || *rest == '/' || *rest == ':')
        return "has no host";
    const char *prefix = ends_with(rest, n, PREFIX) ? "" : PREFIX;
    *out = (struct pfs_base){.url = pfs_printf("%s%.*s%s", scheme, (int)n, rest, prefix),
                             .loopback = is_loopback(rest)};
    return NULL;
}

char *pfs_base_serve(const struct pfs_base *base)
{
    if (base->unix_path)
        return pfs_printf("pfs serve --unix %s", base->unix_path);
    if (!base->loopback || strncmp(base->url, "http://", 7) != 0)
        return NULL;
    const char *host = base->url + 7;
    /* "[::1]:80/api/v1": the colons of an address are no port's. */
    const char *colon = strchr(*host == '[' ? host + strcspn(host, "]") : host, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (digits == 4 && !strncmp(colon + 1, "8080", 4))
        return pfs_strdup("pfs serve");
    return digits ? pfs_printf("pfs serve --port %.*s", (int)digits, colon + 1)
                  : pfs_strdup("pfs serve --port 80");
}

void pfs_base_free(struct pfs_base *base)
{
    free(base->url);
    free(base->unix_path);
    *base = (struct pfs_base){0};
}

static void add_encoded(struct pfs_bytes *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x80 && isalnum(c)) || strchr("-._~", c))
            pfs_bytes_add(out, text, 1);
        else
            pfs_bytes_add(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
    }
}

char *pfs_base_call(const struct pfs_base *base, const char *path, const struct pfs_query *query,
                    size_t n)
{
    struct pfs_bytes out = {0};
    char sign = '?';
    pfs_bytes_add(&out, base->url, strlen(base->url));
    pfs_bytes_add(&out, path, strlen(path));
    for (size_t i = 0; i < n; i++) {
        if (!query[i].key || !query[i].value)
            continue;
        pfs_bytes_add(&out, &sign, 1);
        pfs_bytes_add(&out, query[i].key, strlen(query[i].key));
        pfs_bytes_add(&out, "=", 1);
        add_encoded(&out, query[i].value);
        sign = '&';
    }
    return out.data;
}
