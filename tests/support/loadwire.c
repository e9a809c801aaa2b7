/* SPDX-License-Identifier: MIT
 *
 * Clock, connections and whole sends of measuring programs; see loadwire.h. */
#include "support/loadwire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void load_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) < 0)
        load_die("clock: %s", strerror(errno));
    return (int64_t)t.tv_sec * LOAD_SECOND + t.tv_nsec;
}

int64_t load_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void load_sleep_until(int64_t when_ns)
{
    struct timespec t = {.tv_sec = when_ns / LOAD_SECOND, .tv_nsec = when_ns % LOAD_SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
}

int64_t load_cpu_ns(int pid)
{
    clockid_t clock;
    if (!pid)
        return 0;
    int rc = clock_getcpuclockid(pid, &clock);
    if (rc)
        load_die("processor time of %d: %s", pid, strerror(rc));
    return clock_ns(clock);
}

int load_connect(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        load_die("connect to port %u: %s", port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

int load_listen(unsigned *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 512) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        load_die("listen: %s", strerror(errno));
    *port = ntohs(at.sin_port);
    return fd;
}

void load_send(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            load_die("send: %s", strerror(errno));
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

static size_t receive_more(int fd, char *text, size_t have, size_t size)
{
    if (have + 1 >= size)
        load_die("an answer is too long: %.200s", text);
    ssize_t n;
    do
        n = recv(fd, text + have, size - 1 - have, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        load_die("the server ended the connection%s%s after %zu bytes of an answer",
                 n < 0 ? ": " : "", n < 0 ? strerror(errno) : "", have);
    text[have + (size_t)n] = '\0';
    return have + (size_t)n;
}

size_t load_receive_until(int fd, char *text, size_t size, const char *end)
{
    size_t have = 0;
    text[0] = '\0';
    while (!strstr(text, end))
        have = receive_more(fd, text, have, size);
    return have;
}

int load_reply(int fd, char *text, size_t size)
{
    size_t have = load_receive_until(fd, text, size, "\r\n\r\n");
    size_t head = (size_t)(strstr(text, "\r\n\r\n") + 4 - text);
    const char *length = strcasestr(text, "\r\ncontent-length:");
    size_t body = length ? strtoul(length + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    while (have < head + body)
        have = receive_more(fd, text, have, size);
    return have > 12 ? atoi(text + strlen("HTTP/1.1 ")) : 0;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void load_print_times(int64_t *times, size_t n)
{
    if (!n)
        return;
    qsort(times, n, sizeof *times, compare);
    printf("\"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f, ",
           (double)times[(n - 1) / 2] / 1e3, (double)times[(n - 1) * 90 / 100] / 1e3,
           (double)times[(n - 1) * 99 / 100] / 1e3, (double)times[n - 1] / 1e3);
}
