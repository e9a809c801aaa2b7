/* SPDX-License-Identifier: MIT
 *
 * Lines on stderr; see say.h. A tool has one stderr, so this state is global. */
#include "common/say.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
#define CLEAR_LINE "\r\033[K"

static struct {
    const char *tool;
    bool terminal;
    pthread_mutex_t lock;
    /* guarded by lock */
    bool status_drawn;
} state = {.tool = "", .lock = PTHREAD_MUTEX_INITIALIZER};

void say_init(const char *tool)
{
    state.tool = tool;
    state.terminal = isatty(STDERR_FILENO);
}

bool say_to_terminal(void)
{
    return state.terminal;
}

/* A line that nobody reads is dropped: threads that answer the kernel come here
 * too, and must not wait for a full pipe or a stopped terminal. */
static void write_all(const char *text, size_t n)
{
    while (n > 0) {
        struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
        if (poll(&room, 1, 0) == 0)
            return;
        ssize_t done = write(STDERR_FILENO, text, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nobody left to tell */
        text += done;
        n -= (size_t)done;
    }
}

__attribute__((format(printf, 3, 0))) static size_t put(char *line, size_t used, const char *format,
                                                        va_list args)
{
    int n = vsnprintf(line + used, LINE_MAX_BYTES - used - 1, format, args);
    if (n < 0)
        return used;
    size_t room = LINE_MAX_BYTES - used - 2;
    return used + ((size_t)n < room ? (size_t)n : room);
}

static size_t put_text(char *line, size_t used, const char *text)
{
    size_t n = strlen(text);
    memcpy(line + used, text, n);
    return used + n;
}

__attribute__((format(printf, 2, 0))) static void write_line(const char *prefix, const char *format,
                                                             va_list args)
{
    char line[LINE_MAX_BYTES];
    pthread_mutex_lock(&state.lock);
    size_t n = state.status_drawn ? put_text(line, 0, CLEAR_LINE) : 0;
    state.status_drawn = false;
    if (prefix) {
        n = put_text(line, n, prefix);
        n = put_text(line, n, ": ");
    }
    n = put(line, n, format, args);
    line[n++] = '\n';
    write_all(line, n);
    pthread_mutex_unlock(&state.lock);
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(state.tool, format, args);
    va_end(args);
}

void say_bare(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(NULL, format, args);
    va_end(args);
}

/* A redrawn line must not wrap, or the next one leaves its first half behind. */
static size_t columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 20)
        return 79;
    return size.ws_col - 1u;
}

void say_status(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (state.terminal) {
        char line[LINE_MAX_BYTES];
        pthread_mutex_lock(&state.lock);
        size_t start = put_text(line, 0, CLEAR_LINE);
        size_t n = put(line, start, format, args);
        if (n - start > columns())
            n = start + columns();
        write_all(line, n);
        state.status_drawn = true;
        pthread_mutex_unlock(&state.lock);
    } else {
        write_line(state.tool, format, args);
    }
    va_end(args);
}

void say_status_end(void)
{
    pthread_mutex_lock(&state.lock);
    if (state.status_drawn)
        write_all(CLEAR_LINE, sizeof CLEAR_LINE - 1);
    state.status_drawn = false;
    pthread_mutex_unlock(&state.lock);
}
