/* SPDX-License-Identifier: MIT
 *
 * Addresses of peers as people write them. Pure; any thread. */
#include "engine/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
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
