/* SPDX-License-Identifier: MIT
 *
 * Attributes of a scripted peer: "name=value name=value". Pure. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "support/fake_lt_internal.h"

struct number {
    const char *name;
    size_t at;
    int64_t unit;
    int64_t unset;
};

#define N(name, field, unit, unset)                                                                \
    {                                                                                              \
        name, offsetof(struct fake_attrs, field), unit, unset                                      \
    }
static const struct number numbers[] = {
    N("n", n, 1, 1),
    N("incoming", incoming, 1, 0),
    N("dial", dial, 1, 0),
    N("dead", dead, 1, 0),
    N("utp_only", utp_only, 1, 0),
    N("utp", utp, 1, 0),
    N("at_ms", at, MS, 0),
    N("latency_ms", latency, MS, 0),
    N("rate", rate, 1, 0),
    N("cap", cap, 1, 500),
    N("cap_late_ms", cap_late, MS, 0),
    N("real_cap", real_cap, 1, -1),
    N("fast", fast, 1, 1),
    N("gains_ms", gains, MS, -1),
    N("have_spam_ms", have_spam, MS, -1),
    N("unchoke_ms", unchoke, MS, 0),
    N("choke_every_ms", choke_every, MS, -1),
    N("choke_for_ms", choke_for, MS, 100 * MS),
    N("corrupt_block", corrupt_block, 1, -1),
    N("corrupt_ppm", corrupt_ppm, 1, 0),
    N("corrupt_times", corrupt_times, 1, -1),
    N("stall_after", stall_after, 1, -1),
    N("disconnect_after", disconnect_after, 1, -1),
    N("reconnect_ms", reconnect, MS, -1),
    N("idle_ms", idle, MS, -1),
    N("ignores_cancel", ignores_cancel, 1, 0),
    N("dup", dup, 1, 0),
    N("unasked_ms", unasked, MS, -1),
};
#undef N

static int64_t *field(struct fake_attrs *a, const struct number *n)
{
    return (int64_t *)(void *)((char *)a + n->at);
}

void fake_lt__attrs_default(struct fake_attrs *a)
{
    memset(a, 0, sizeof *a);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *field(a, &numbers[i]) = numbers[i].unset;
    strcpy(a->have, "all");
    strcpy(a->corrupt, "none");
}

static bool parse_addr(struct sockaddr_storage *out, const char *text)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host)
        return false;
    unsigned long port = strtoul(colon + 1, NULL, 10);
    if (port == 0 || port > 65535)
        return false;
    bool v6 = *text == '[';
    size_t len = (size_t)(colon - text) - (v6 ? 2 : 0);
    memcpy(host, text + (v6 ? 1 : 0), len);
    host[len] = '\0';
    memset(out, 0, sizeof *out);
    if (v6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &in->sin_addr) == 1;
}

static bool set_text(char *out, size_t room, const char *value)
{
    if (strlen(value) >= room)
        return false;
    strcpy(out, value);
    return true;
}

static bool set_one(struct fake_attrs *a, const char *name, const char *value)
{
    if (!strcmp(name, "have"))
        return set_text(a->have, sizeof a->have, value);
    if (!strcmp(name, "corrupt"))
        return set_text(a->corrupt, sizeof a->corrupt, value);
    if (!strcmp(name, "addr"))
        return parse_addr(&a->addr, value);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name))
            continue;
        char *end;
        long long v = strtoll(value, &end, 10);
        if (*end || end == value)
            return false;
        *field(a, &numbers[i]) = v < 0 ? -1 : v * numbers[i].unit;
        return true;
    }
    return false;
}

bool fake_lt__attrs_parse(struct fake_attrs *a, const char *text)
{
    char copy[1024];
    if (strlen(text) >= sizeof copy)
        return false;
    strcpy(copy, text);
    char *rest = copy;
    for (char *word; (word = strtok_r(rest, " \t", &rest));) {
        char *equals = strchr(word, '=');
        if (!equals)
            return false;
        *equals = '\0';
        if (!set_one(a, word, equals + 1))
            return false;
    }
    return true;
}

bool fake_lt__ranges(const char *text, uint8_t *set, uint32_t n)
{
    memset(set, 0, n);
    if (!strcmp(text, "none"))
        return true;
    if (!strcmp(text, "all")) {
        memset(set, 1, n);
        return true;
    }
    while (*text) {
        char *end;
        unsigned long first = strtoul(text, &end, 10);
        if (end == text)
            return false;
        unsigned long last = first;
        if (*end == '-') {
            text = end + 1;
            last = strtoul(text, &end, 10);
            if (end == text)
                return false;
        }
        for (unsigned long i = first; i <= last && i < n; i++)
            set[i] = 1;
        if (*end && *end != ',')
            return false;
        text = *end ? end + 1 : end;
    }
    return true;
}

bool fake_lt__same_addr(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)a;
        const struct sockaddr_in *y = (const struct sockaddr_in *)b;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a;
    const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)b;
    return x->sin6_port == y->sin6_port && !memcmp(&x->sin6_addr, &y->sin6_addr, 16);
}

void fake_lt__addr_add_port(struct sockaddr_storage *sa, unsigned n)
{
    if (sa->ss_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sa;
        in6->sin6_port = htons((uint16_t)(ntohs(in6->sin6_port) + n));
    } else if (sa->ss_family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)sa;
        in->sin_port = htons((uint16_t)(ntohs(in->sin_port) + n));
    }
}
