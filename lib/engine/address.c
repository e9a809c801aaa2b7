/* SPDX-License-Identifier: MIT
 *
 * Addresses of peers as people write them, and as we keep them. Pure; any thread. */
#include "engine/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define MAX_PORT 65535

static bool parse_port(uint16_t *out, const char *text)
{
    unsigned long port = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        port = port * 10 + (unsigned long)(*text - '0');
        if (port > MAX_PORT)
            return false;
    }
    *out = (uint16_t)port;
    return port > 0;
}

static bool parse(struct sockaddr_storage *out, const char *text)
{
    char host[INET6_ADDRSTRLEN];
    bool v6 = text[0] == '[';
    const char *begin = text + v6;
    const char *end = strchr(begin, v6 ? ']' : ':');
    if (!end || (size_t)(end - begin) >= sizeof host)
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    const char *colon = end + v6;
    uint16_t port;
    if (*colon != ':' || !parse_port(&port, colon + 1))
        return false;

    struct sockaddr_storage sa = {0};
    if (v6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
            return false;
    } else {
        struct sockaddr_in *in = (struct sockaddr_in *)&sa;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
            return false;
    }
    *out = sa;
    return true;
}

int gos__address_parse(struct sockaddr_storage *out, const char *text)
{
    if (parse(out, text))
        return 0;
    char shown[80];
    return gos__error(GOS_EINVAL,
                      "\"%s\" is no peer address: write 192.0.2.7:6881 or [2001:db8::7]:6881",
                      gos__error_escape(shown, sizeof shown, text, strlen(text)));
}

struct gos__endpoint gos__address_pack(const struct sockaddr_storage *sa)
{
    struct gos__endpoint e = {.known = 1};
    if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
        memcpy(e.ip, &in6->sin6_addr, sizeof e.ip);
        e.port = ntohs(in6->sin6_port);
        e.is_v6 = 1;
    } else if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        memcpy(e.ip, &in->sin_addr, sizeof in->sin_addr);
        e.port = ntohs(in->sin_port);
    } else {
        e.known = 0;
    }
    return e;
}

struct sockaddr_storage gos__address_unpack(const struct gos__endpoint *e)
{
    struct sockaddr_storage sa = {0};
    if (e->known && e->is_v6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(e->port);
        memcpy(&in6->sin6_addr, e->ip, sizeof in6->sin6_addr);
    } else if (e->known) {
        struct sockaddr_in *in = (struct sockaddr_in *)&sa;
        in->sin_family = AF_INET;
        in->sin_port = htons(e->port);
        memcpy(&in->sin_addr, e->ip, sizeof in->sin_addr);
    }
    return sa;
}

void gos__address_text(char *out, size_t size, const struct gos__endpoint *e)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (size > 0)
        out[0] = '\0';
    if (e->known && inet_ntop(e->is_v6 ? AF_INET6 : AF_INET, e->ip, host, sizeof host))
        snprintf(out, size, e->is_v6 ? "[%s]:%u" : "%s:%u", host, e->port);
}
