/* SPDX-License-Identifier: MIT
 *
 * A client of one connection at a time; it blocks. Runs in its owner's thread. */
#include "support/http_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

struct http_reader {
    const char *host, *path;
    int port, fd;
    uint64_t at; /* where the answer stands */
    size_t left; /* of it, what came with its header and was not read yet */
    char *left_at;
    char head[64 * 1024];
};

static int dial(const struct http_reader *h)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)h->port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, h->host, &a.sin_addr);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int64_t ask(struct http_reader *h, uint64_t off)
{
    int status = 0;
    size_t have = 0;
    char *body = NULL;

    if (h->fd >= 0)
        close(h->fd);
    if ((h->fd = dial(h)) < 0)
        return -errno;
    int n = snprintf(h->head, sizeof h->head,
                     "GET %s HTTP/1.1\r\nHost: %s:%d\r\nRange: bytes=%" PRIu64
                     "-\r\nConnection: close\r\n\r\n",
                     h->path, h->host, h->port, off);
    if (send(h->fd, h->head, (size_t)n, MSG_NOSIGNAL) != n)
        return -EPIPE;
    while (!body) {
        ssize_t got = recv(h->fd, h->head + have, sizeof h->head - 1 - have, 0);
        if (got <= 0)
            return got == 0 ? -ECONNRESET : -errno;
        have += (size_t)got;
        h->head[have] = '\0';
        body = strstr(h->head, "\r\n\r\n");
    }
    if (sscanf(h->head, "HTTP/%*s %d", &status) != 1 || !(status == 206 || (status == 200 && !off)))
        return -EPROTO;
    h->left_at = body + 4;
    h->left = have - (size_t)(h->left_at - h->head);
    h->at = off;
    return 0;
}

int64_t http_reader_read(struct http_reader *h, void *buf, size_t len, uint64_t off)
{
    int64_t n = h->fd < 0 || h->at != off ? ask(h, off) : 0;

    if (n < 0)
        return n;
    if (h->left > 0) {
        n = (int64_t)(h->left < len ? h->left : len);
        memcpy(buf, h->left_at, (size_t)n);
        h->left_at += n;
        h->left -= (size_t)n;
    } else if ((n = recv(h->fd, buf, len, 0)) <= 0) {
        return n == 0 ? 0 : -errno;
    }
    h->at += (uint64_t)n;
    return n;
}

struct http_reader *http_reader_new(const char *host, int port, const char *path)
{
    struct http_reader *h = malloc(sizeof *h);

    if (!h)
        return NULL;
    h->host = host;
    h->path = path;
    h->port = port;
    h->fd = -1;
    h->left = 0;
    return h;
}

void http_reader_free(struct http_reader *h)
{
    if (h && h->fd >= 0)
        close(h->fd);
    free(h);
}
