/* SPDX-License-Identifier: CC0-1.0
 *
 * What comes on stdin goes to every program named, as it comes:
 *
 *     cc ring_fanout.c $(pkg-config --cflags --libs libgostream) -o ring_fanout
 *     ffmpeg ... -f mpegts - | ./ring_fanout 'cat > film.ts' 'ffplay -' 'wc -c'
 *
 * The ring keeps the newest megabytes. The first program holds the others up if
 * it must (it records); those after it lose bytes when they are too slow, and
 * are told how many. A thread for each program; the main one reads stdin. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L /* popen */
#endif

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <gostream.h>

#define MOST 16

struct program {
    const char *command;
    gos_ring_reader *reader;
    pthread_t thread;
};

/* Slices of the ring go straight into the pipe: no copy of ours. */
static void *feed(void *arg)
{
    struct program *p = arg;
    struct gos_slice slices[8];
    struct gos_ring_view view = {.struct_size = sizeof view, .slices = slices, .max_slices = 8};
    FILE *pipe = popen(p->command, "w");
    int64_t n = 0;

    while (pipe && !ferror(pipe) && (n = gos_ring_reader_borrow(p->reader, &view)) != 0) {
        if (n == GOS_EAGAIN) {
            fflush(pipe); /* before it waits: the program gets what there is */
            gos_ring_reader_wait(p->reader, NULL);
            continue;
        }
        if (n < 0)
            break;
        if (view.note.events & GOS_RING_GAP)
            fprintf(stderr, "%s: lost %" PRIu64 " bytes at %" PRIu64 "\n", p->command,
                    view.note.gap_to - view.note.gap_from, view.note.gap_from);
        for (unsigned i = 0; i < view.n_slices; i++)
            fwrite(slices[i].base, 1, slices[i].len, pipe);
        gos_ring_reader_release(p->reader, &view);
    }
    if (n < 0)
        fprintf(stderr, "%s: %s\n", p->command, gos_last_error());
    gos_ring_reader_close(p->reader); /* nobody waits for it any more */
    if (pipe)
        pclose(pipe);
    return NULL;
}

static int64_t copy_stdin(gos_ring *ring)
{
    static char buf[1 << 16];
    gos_ring_writer *writer;
    ssize_t got = 0;
    int64_t n = gos_ring_writer_open(&writer, ring, NULL);

    if (n < 0)
        return n;
    while (n >= 0 && (got = read(STDIN_FILENO, buf, sizeof buf)) > 0)
        n = gos_ring_writer_append(writer, buf, (size_t)got, 0, NULL);
    gos_ring_writer_close(writer);
    if (got < 0)
        perror("ring_fanout: stdin"); /* not the ring's error */
    return n < 0 ? n : got < 0;
}

int main(int argc, char **argv)
{
    struct program programs[MOST];
    gos_ring *ring;
    int n = argc - 1, started = 0;

    if (n < 1 || n > MOST) {
        fprintf(stderr, "usage: ring_fanout COMMAND... (16 at most)\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* a program that ends takes only itself along */
    int64_t rc = gos_ring_new(&ring, NULL);
    for (int i = 0; i < n && rc >= 0; i++) {
        enum gos_ring_policy policy = i == 0 ? GOS_RING_BLOCK : GOS_RING_DROP_OLDEST;
        programs[i].command = argv[i + 1];
        rc = gos_ring_reader_open(&programs[i].reader, ring,
                                  GOS_OPTS(gos_ring_reader_opts, .policy = policy));
        if (rc >= 0 && pthread_create(&programs[i].thread, NULL, feed, &programs[i]) == 0)
            started++;
    }
    if (rc >= 0)
        rc = copy_stdin(ring);
    if (rc < 0)
        fprintf(stderr, "ring_fanout: %s\n", gos_last_error());
    gos_ring_seal(ring); /* readers read to the end */
    for (int i = 0; i < started; i++)
        pthread_join(programs[i].thread, NULL);
    gos_ring_unref(ring);
    return rc != 0;
}
