/* SPDX-License-Identifier: CC0-1.0
 *
 * Writing a source of your own and reading it through a gos_reader.
 *
 *     cc own_source.c $(pkg-config --cflags --libs libgostream) -o own_source
 *
 * The source is another source seen through ROT13: it has no bytes itself, asks
 * the one below for them, and turns the letters. Prints what it reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gostream.h>

struct rot13 {
    gos_source *below;
};

static unsigned char turn(unsigned char c)
{
    if (c >= 'a' && c <= 'z')
        return (unsigned char)('a' + (c - 'a' + 13) % 26);
    if (c >= 'A' && c <= 'Z')
        return (unsigned char)('A' + (c - 'A' + 13) % 26);
    return c;
}

/* May be called from many threads at once; never for nothing, never past the
 * end. `io` says how long to wait, which is the business of the one below. */
static int64_t rot13_pread(void *self, void *buf, size_t len, uint64_t off, const struct gos_io *io)
{
    struct rot13 *t = self;
    unsigned char *p = buf;
    int64_t n = gos_source_pread(t->below, buf, len, off, io);

    for (int64_t i = 0; i < n; i++)
        p[i] = turn(p[i]);
    return n;
}

static int64_t rot13_size(void *self)
{
    struct rot13 *t = self;

    return gos_source_size(t->below);
}

static void rot13_close(void *self)
{
    struct rot13 *t = self;

    gos_source_unref(t->below);
    free(t);
}

static const struct gos_source_ops rot13_ops = {
    .struct_size = sizeof rot13_ops,
    .name = "rot13",
    .pread = rot13_pread,
    .size = rot13_size,
    .close = rot13_close,
};

static int rot13_new(gos_source **out, gos_source *below)
{
    struct rot13 *t = malloc(sizeof *t);
    if (!t)
        return GOS_ENOMEM;
    t->below = gos_source_ref(below);
    int rc = gos_source_new(out, &rot13_ops, t);
    if (rc < 0)
        rot13_close(t);
    return rc;
}

static int64_t print_all(gos_source *source)
{
    char buf[16];
    gos_reader *reader;
    int64_t n = gos_reader_new(&reader, source);

    if (n < 0)
        return n;
    while ((n = gos_reader_read(reader, buf, sizeof buf, NULL)) > 0)
        fwrite(buf, 1, (size_t)n, stdout);
    gos_reader_free(reader);
    return n;
}

int main(void)
{
    static char text[] = "Gur svyz vf va gur fjnez.\n";
    gos_source *memory = NULL;
    gos_source *source = NULL;

    int64_t rc = gos_source_memory(&memory, text, strlen(text), NULL);
    if (rc == 0)
        rc = rot13_new(&source, memory);
    if (rc == 0)
        rc = print_all(source);
    if (rc < 0)
        fprintf(stderr, "own_source: %s\n", gos_last_error());
    gos_source_unref(source);
    gos_source_unref(memory);
    return rc < 0;
}
