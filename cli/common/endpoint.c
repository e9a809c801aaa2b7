/* SPDX-License-Identifier: MIT
 *
 * "HOST:PORT" as typed; see endpoint.h. Runs in the main thread before others
 * exist. */
#include "common/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define HOST_MAX 256

struct parts {
    char host[HOST_MAX];
    char port[6];
    bool bracketed;
};

static const char *split_port(struct parts *out, const char *text, size_t length, bool zero_ok)
{
    unsigned value = 0;
    if (length == 0 || length > 5)
        return "needs a port from 1 to 65535";
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return "needs a port from 1 to 65535";
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    if (value > 65535 || (value == 0 && !zero_ok))
        return "needs a port from 1 to 65535";
    snprintf(out->port, sizeof out->port, "%u", value);
    return NULL;
}

static const char *split(struct parts *out, const char *text, size_t length, bool zero_ok)
{
    const char *end = text + length;
    const char *host = text, *host_end, *colon;
    *out = (struct parts){0};
    if (length && *text == '[') {
        out->bracketed = true;
        host = text + 1;
        host_end = memchr(host, ']', length - 1);
        if (!host_end || host_end + 1 == end || host_end[1] != ':')
            return "needs the form [IPV6]:PORT";
        colon = host_end + 1;
    } else {
        colon = memchr(text, ':', length);
        if (!colon)
            return "needs the form HOST:PORT";
        if (memchr(colon + 1, ':', (size_t)(end - colon - 1)))
            return "needs brackets around an IPv6 address";
        host_end = colon;
    }
    size_t n = (size_t)(host_end - host);
    if (n == 0 || n >= HOST_MAX)
        return "needs the form HOST:PORT";
    memcpy(out->host, host, n);
    struct in6_addr unused;
    char address[HOST_MAX];
    snprintf(address, sizeof address, "%s", out->host);
    address[strcspn(address, "%")] = '\0'; /* a scope: fe80::1%eth0 */
    if (out->bracketed && inet_pton(AF_INET6, address, &unused) != 1)
        return "has no IPv6 address in its brackets";
    return split_port(out, colon + 1, (size_t)(end - colon - 1), zero_ok);
}

const char *endpoint_check(const char *text)
{
    struct parts parts;
    return split(&parts, text, strlen(text), false);
}

const char *endpoint_check_listen(const char *text)
{
    for (;;) {
        size_t n = strcspn(text, ",");
        struct parts parts;
        struct in_addr unused;
        const char *wrong = split(&parts, text, n, true);
        if (wrong)
            return wrong;
        if (!parts.bracketed && inet_pton(AF_INET, parts.host, &unused) != 1)
            return "needs an address of this machine, not a name";
        if (!text[n])
            return NULL;
        text += n + 1;
    }
}

static const char *numeric(char out[ENDPOINT_MAX], const struct addrinfo *a)
{
    char host[ENDPOINT_MAX - 16], port[8];
    int rc = getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port, sizeof port,
                         NI_NUMERICHOST | NI_NUMERICSERV);
    if (rc)
        return gai_strerror(rc);
    snprintf(out, ENDPOINT_MAX, a->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return NULL;
}

const char *endpoint_resolve(char out[ENDPOINT_MAX], const char *text)
{
    struct parts parts;
    const char *wrong = split(&parts, text, strlen(text), false);
    if (wrong)
        return wrong;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(parts.host, parts.port, &hints, &found);
    if (rc == EAI_NONAME) {
        hints.ai_flags = AI_NUMERICSERV;
        rc = getaddrinfo(parts.host, parts.port, &hints, &found);
    }
    if (rc)
        return rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc);
    wrong = numeric(out, found);
    freeaddrinfo(found);
    return wrong;
}
