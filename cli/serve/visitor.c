/* SPDX-License-Identifier: MIT
 *
 * Who may ask; see visitor.h. Pure, any thread. */
#include "serve/visitor.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool ends_with(const char *text, size_t n, const char *end)
{
    size_t m = strlen(end);
    return n >= m && strncasecmp(text + n - m, end, m) == 0;
}

/* "NAME", "NAME:PORT" or "[ADDRESS]:PORT": how long the first part is. */
static size_t name_length(const char *host)
{
    return *host == '[' ? strcspn(host, "]") : strcspn(host, ":");
}

/* No name of the web: those have a dot. */
static bool is_near(const char *host)
{
    size_t n = name_length(host);
    if (*host == '[' || !memchr(host, '.', n) || ends_with(host, n, ".localhost"))
        return true;
    return strspn(host, "0123456789.") >= n;
}

/* Stricter: a page of another machine is not near, even if that has a short name. */
static bool is_loopback(const char *host)
{
    size_t n = name_length(host);
    return (n == 9 && strncasecmp(host, "localhost", n) == 0) || ends_with(host, n, ".localhost") ||
           strncmp(host, "[::1]", 5) == 0 ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") >= n);
}

static bool origin_allowed(const char *origin)
{
    const char *host = strstr(origin, "://");
    return host && is_loopback(host + 3);
}

bool visitor_allowed(const char *host, const char *origin, const char *fetch_site)
{
    if (host && !is_near(host))
        return false;
    if (fetch_site && strcasecmp(fetch_site, "cross-site") == 0)
        return false;
    return !origin || origin_allowed(origin);
}
