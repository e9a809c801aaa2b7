/* SPDX-License-Identifier: MIT
 *
 * What programs that measure over sockets need: the clock, connections on
 * loopback, whole sends. What goes wrong ends the program. Any thread. */
#ifndef TESTS_SUPPORT_LOADWIRE_H
#define TESTS_SUPPORT_LOADWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_SECOND INT64_C(1000000000)

_Noreturn void load_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

int64_t load_now_ns(void);
void load_sleep_until(int64_t when_ns);

/* Processor time that a process has used, all its threads; 0 for pid 0. */
int64_t load_cpu_ns(int pid);

/* A connection to 127.0.0.1 that does not wait for company (TCP_NODELAY). */
int load_connect(unsigned port);
/* A listening socket on 127.0.0.1; its port. */
int load_listen(unsigned *port);

void load_send(int fd, const void *data, size_t len);

/* Receive until `text` holds `end`; then it ends in a NUL. Returns its length. */
size_t load_receive_until(int fd, char *text, size_t size, const char *end);

/* The whole reply to a request, of which less than `size` bytes are expected: its
 * status. A body of a known length is waited for. */
int load_reply(int fd, char *text, size_t size);

/* The middle ones of `n` times, as the JSON fields "p50_us": ... "max_us": ...
 * Sorts them. */
void load_print_times(int64_t *times, size_t n);

#endif
