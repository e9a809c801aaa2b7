/* SPDX-License-Identifier: MIT
 *
 * From the text of an address to a socket that listens there. One thread, at the
 * start. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/number.h"
#include "http/private.h"

#define BACKLOG 4096
#define UNIX_PREFIX "unix:"
#define UNIX_LEN (sizeof UNIX_PREFIX - 1)

static int refuse(char *why, size_t size, const char *address, const char *text)
{
    snprintf(why, size, "%s: %s", address, text);
    return -1;
}

static bool is_unix(const char *address)
{
    return !strncmp(address, UNIX_PREFIX, UNIX_LEN);
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool is_loopback(const union address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

/* "HOST:PORT" to an address; what is wrong with it, or NULL. */
static const char *parse(union address *out, const char *text)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return "not HOST:PORT or unix:PATH";
    int64_t port = http_number_parse(colon + 1, strlen(colon + 1), 10);
    if (port < 0 || port > 65535)
        return "a port is a number from 0 to 65535";
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (!*host || !strcmp(host, "localhost"))
        strcpy(host, "127.0.0.1");
    size_t n = strlen(host);
    *out = (union address){0};
    if (*host == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host + 1, &out->v6.sin6_addr) == 1 ? NULL : "no address";
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1 ? NULL : "no address";
}

/* What no system could listen at, or we do not. `at` is filled for HOST:PORT. */
static int check(const char *address, union address *at, char *why, size_t size)
{
    if (is_unix(address)) {
        size_t len = strlen(address + UNIX_LEN);
        if (!len || len >= sizeof((struct sockaddr_un *)NULL)->sun_path)
            return refuse(why, size, address + UNIX_LEN, "a socket's path has 1 to 107 bytes");
        return 0;
    }
    const char *wrong = parse(at, address);
    if (!wrong && !is_loopback(at))
        wrong = "not a loopback address; no other is listened at";
    return wrong ? refuse(why, size, address, wrong) : 0;
}

int http_address_check(const char *address, char *why, size_t size)
{
    union address at;
    return check(address, &at, why, size);
}

/* Whether somebody still listens at a socket file. */
static bool is_alive(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    int rc = connect(fd, (const struct sockaddr *)at, sizeof *at);
    bool refused = rc < 0 && errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

static int open_unix(struct http_listener *l, const char *address, char *why, size_t size)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const char *path = address + UNIX_LEN;
    struct stat st;
    if (check(address, NULL, why, size) < 0)
        return -1;
    memcpy(at.sun_path, path, strlen(path));
    if (!lstat(path, &st)) {
        if (!S_ISSOCK(st.st_mode))
            return refuse(why, size, path, "exists and is no socket");
        if (is_alive(&at))
            return refuse(why, size, path, strerror(EADDRINUSE));
        unlink(path);
    }
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Nobody can connect before listen(), so the mode is right when it matters. */
    if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&at, sizeof at) < 0)
        return refuse(why, size, path, strerror(errno));
    l->path = strdup(path);
    if (!l->path || chmod(path, 0600) < 0 || listen(l->fd, BACKLOG) < 0)
        return refuse(why, size, path, strerror(errno));
    snprintf(l->address, sizeof l->address, UNIX_PREFIX "%s", path);
    return 0;
}

static void name_tcp(struct http_listener *l)
{
    union address at;
    char host[INET6_ADDRSTRLEN] = "";
    socklen_t len = sizeof at;
    if (getsockname(l->fd, &at.any, &len) < 0)
        return;
    if (at.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &at.v4.sin_addr, host, sizeof host);
        snprintf(l->address, sizeof l->address, "%s:%u", host, ntohs(at.v4.sin_port));
    } else {
        inet_ntop(AF_INET6, &at.v6.sin6_addr, host, sizeof host);
        snprintf(l->address, sizeof l->address, "[%s]:%u", host, ntohs(at.v6.sin6_port));
    }
}

static int open_tcp(struct http_listener *l, const char *address, char *why, size_t size)
{
    union address at;
    if (check(address, &at, why, size) < 0)
        return -1;
    bool v6 = at.any.sa_family == AF_INET6;
    l->fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
        bind(l->fd, &at.any, v6 ? sizeof at.v6 : sizeof at.v4) < 0 || listen(l->fd, BACKLOG) < 0)
        return refuse(why, size, address, strerror(errno));
    name_tcp(l);
    return 0;
}

int http_listener_open(struct http_listener *out, const char *address, char *why, size_t size)
{
    *out = (struct http_listener){.fd = -1};
    int rc = is_unix(address) ? open_unix(out, address, why, size)
                              : open_tcp(out, address, why, size);
    if (rc < 0)
        http_listener_close(out);
    return rc;
}

void http_listener_close(struct http_listener *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    if (l->path)
        unlink(l->path);
    free(l->path);
    l->path = NULL;
}
