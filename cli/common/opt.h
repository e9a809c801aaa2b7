/* SPDX-License-Identifier: MIT
 *
 * Options of a tool: one table says what they are called, what they take, where
 * the value goes and how it is explained; the parser, the checks and --help all
 * read it. One thread, at the start. */
#ifndef CLI_COMMON_OPT_H
#define CLI_COMMON_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct opt_list {
    const char **items; /* borrowed from argv */
    size_t n;
};

enum opt_kind {
    OPT_FLAG,    /* bool, no argument */
    OPT_TEXT,    /* const char *, the last one given wins */
    OPT_LIST,    /* struct opt_list, may be repeated */
    OPT_SIZE,    /* uint64_t, bytes */
    OPT_SECONDS, /* int64_t, nanoseconds */
};

struct opt {
    const char *name; /* without "--"; NULL: only the letter */
    char letter;      /* 0: none */
    enum opt_kind kind;
    size_t field;        /* offset in the tool's own struct */
    const char *arg;     /* what --help calls the argument; NULL for a flag */
    const char *help;    /* lines separated by \n */
    const char *example; /* a correct use, shown after a wrong one */
    bool not_zero;       /* OPT_SIZE, OPT_SECONDS: 0 makes no sense */
    /* A further check of the text: what is wrong with it, or NULL. */
    const char *(*check)(const char *text);
};

/* Rows that tools share; `at` is where the flag goes. */
#define OPT_VERSION(at)                                                                            \
    {                                                                                              \
        .name = "version", .kind = OPT_FLAG, .field = (at), .help = "print the version, and end"   \
    }
#define OPT_HELP(at)                                                                               \
    {                                                                                              \
        .name = "help", .letter = 'h', .kind = OPT_FLAG, .field = (at),                            \
        .help = "print this, and end"                                                              \
    }

struct opt_table {
    const struct opt *opts;
    size_t n;
};

/* Read argv into `into` (already filled with defaults) and what is no option
 * into `rest`. Options and other words may be mixed; "--" ends the options.
 * Returns 0, or -1 and one line in `why`. What was allocated is given back by
 * opt_free() in both cases. */
int opt_parse(const struct opt_table *table, void *into, int argc, char **argv,
              struct opt_list *rest, char *why, size_t why_size);

void opt_free(const struct opt_table *table, void *into, struct opt_list *rest);

/* The options as two columns. */
void opt_help(const struct opt_table *table, FILE *out);

#endif
