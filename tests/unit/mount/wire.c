/* SPDX-License-Identifier: MIT
 *
 * The FUSE protocol over a pair of sockets; see wire.h. */
#include "wire.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWER_MS 5000

static ssize_t io_read(int fd, void *buf, size_t size, void *userdata)
{
    return custom_io_read(userdata, fd, buf, size);
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
    return custom_io_writev(userdata, fd, iov, count);
}

static void greet(struct wire *w, uint32_t flags)
{
    struct wire_answer *answer = malloc(sizeof *answer);
    const struct fuse_init_in in = {
        .major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = 131072, .flags = flags};
    uint64_t unique = wire_ask(w, FUSE_INIT, 0, 0, &in, 16);
    wire_answer(w, answer);
    assert_int_equal(answer->unique, unique);
    assert_int_equal(answer->error, 0);
    memcpy(&w->init, answer->data, answer->n < sizeof w->init ? answer->n : sizeof w->init);
    free(answer);
}

void wire_open(struct wire *w, const struct fuse_lowlevel_ops *ops, struct custom_io *io,
               uint32_t flags)
{
    const struct fuse_custom_io table = {.read = io_read, .writev = io_writev};
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    int pair[2], room = 4 << 20;
    memset(w, 0, sizeof *w);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    w->kernel = pair[1];
    fuse_opt_add_arg(&args, "wire");
    w->fuse = fuse_session_new(&args, ops, sizeof *ops, io);
    fuse_opt_free_args(&args);
    assert_non_null(w->fuse);
    assert_int_equal(fuse_session_custom_io(w->fuse, &table, pair[0]), 0);
    greet(w, flags);
}

void wire_close(struct wire *w)
{
    fuse_session_destroy(w->fuse); /* closes its end */
    free(w->buf.mem);
    close(w->kernel);
}

uint64_t wire_ask(struct wire *w, enum fuse_opcode opcode, uint64_t node, pid_t pid,
                  const void *body, size_t n)
{
    struct fuse_in_header header = {.len = (uint32_t)(sizeof header + n),
                                    .opcode = opcode,
                                    .unique = ++w->unique,
                                    .nodeid = node,
                                    .pid = (uint32_t)pid};
    struct iovec iov[] = {{&header, sizeof header}, {(void *)(uintptr_t)body, n}};
    assert_int_equal(writev(w->kernel, iov, n ? 2 : 1), header.len);
    assert_int_equal(fuse_session_receive_buf(w->fuse, &w->buf), header.len);
    fuse_session_process_buf(w->fuse, &w->buf);
    return header.unique;
}

uint64_t wire_read(struct wire *w, uint64_t fh, uint64_t off, uint32_t size, pid_t pid)
{
    const struct fuse_read_in in = {.fh = fh, .offset = off, .size = size};
    return wire_ask(w, FUSE_READ, 2, pid, &in, sizeof in);
}

void wire_interrupt(struct wire *w, uint64_t unique)
{
    const struct fuse_interrupt_in in = {.unique = unique};
    wire_ask(w, FUSE_INTERRUPT, 0, 0, &in, sizeof in);
}

void wire_answer(struct wire *w, struct wire_answer *out)
{
    struct fuse_out_header header;
    struct pollfd fd = {.fd = w->kernel, .events = POLLIN};
    struct iovec iov[] = {{&header, sizeof header}, {out->data, sizeof out->data}};
    assert_int_equal(poll(&fd, 1, ANSWER_MS), 1);
    ssize_t n = readv(w->kernel, iov, 2);
    assert_true(n >= (ssize_t)sizeof header);
    assert_int_equal(header.len, n);
    out->unique = header.unique;
    out->error = -header.error;
    out->n = (size_t)n - sizeof header;
}

bool wire_is_silent(struct wire *w)
{
    struct pollfd fd = {.fd = w->kernel, .events = POLLIN};
    return poll(&fd, 1, 0) == 0;
}
