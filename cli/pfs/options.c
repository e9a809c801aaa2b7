/* SPDX-License-Identifier: MIT
 *
 * The options of all commands and the choice of the command; see options.h. */
#include "pfs/options.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "pfs/memory.h"

#define FIELD(name) offsetof(struct pfs_options, name)
#define OPTS_MAX 16

static const struct opt global_opts[] = {
    {.name = "pfs-api-baseurl",
     .kind = OPT_TEXT,
     .field = FIELD(url),
     .arg = "URL",
     .example = "--pfs-api-baseurl http://localhost:8080",
     .help = "the server, http://HOST:PORT or unix:/PATH; else\n"
             "PFS_API_URL, AGFS_API_URL or AGFS_SERVER_URL of the\n"
             "environment, else http://localhost:8080"},
    {.name = "agfs-api-url",
     .kind = OPT_TEXT,
     .field = FIELD(url),
     .arg = "URL",
     .example = "--agfs-api-url http://localhost:8080",
     .help = "the same"},
    {.name = "timeout",
     .kind = OPT_SECONDS,
     .field = FIELD(timeout_ns),
     .arg = "SECONDS",
     .example = "--timeout 120",
     .help = "give up a call in which nothing moves for so long (60;\n"
             "0: never); streams may be silent for ever"},
    OPT_VERSION(FIELD(version)),
    {.name = "help",
     .letter = 'h',
     .kind = OPT_FLAG,
     .field = FIELD(help),
     .help = "print this, or that of a command, and end"},
};

#define N_GLOBAL (sizeof global_opts / sizeof *global_opts)

/* The options of all commands, then those of this one. */
static struct opt_table table_of(const struct pfs_command *command, struct opt opts[OPTS_MAX])
{
    struct opt_table table = {opts, N_GLOBAL};
    memcpy(opts, global_opts, sizeof global_opts);
    if (command && command->n_opts) {
        memcpy(opts + N_GLOBAL, command->opts, command->n_opts * sizeof *opts);
        table.n += command->n_opts;
    }
    return table;
}

/* "--name", or letters the last of which is it. */
static bool is_option(const struct opt *o, const char *word)
{
    if (!strncmp(word, "--", 2))
        return o->name && !strcmp(word + 2, o->name);
    return o->letter && word[strlen(word) - 1] == o->letter;
}

static bool waits_for_word(const struct opt *opts, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (opts[i].kind != OPT_FLAG && is_option(&opts[i], word))
            return true;
    return false;
}

/* An option in front of the command, of whichever it is, whose argument is the next
 * word. No two commands give one name to an option with and to one without. */
static bool takes_next_word(const char *word)
{
    size_t n;
    const struct pfs_command *all = pfs_command_all(&n);
    bool takes = waits_for_word(global_opts, N_GLOBAL, word);
    for (size_t i = 0; i < n && !takes; i++)
        takes = waits_for_word(all[i].opts, all[i].n_opts, word);
    return takes;
}

/* Which command it is decides what the options mean, so it is looked for first. */
static const char *first_word(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' || !argv[i][1])
            return argv[i];
        if (!strcmp(argv[i], "--"))
            return argv[i + 1];
        if (takes_next_word(argv[i]))
            i++;
    }
    return NULL;
}

/* `pfs serve` has options of its own, so that it must be told from the others first. */
static bool means_serve(int argc, char **argv)
{
    bool behind_options = false;
    for (int i = 1; i < argc && argv[1][0] == '-' && !behind_options; i++)
        behind_options = !strcmp(argv[i], "serve");
    return behind_options;
}

static int check_words(struct pfs_options *o, char *why, size_t why_size)
{
    const struct pfs_command *command = o->command;
    if (!command) {
        snprintf(why, why_size, "no command given; for example: pfs ls /");
        return -1;
    }
    o->words = o->rest.items + 1;
    o->n = o->rest.n - 1;
    if (o->n < command->min)
        snprintf(why, why_size, "%s: too few words; it takes: %s %s", command->name, command->name,
                 command->words);
    else if (o->n > command->max)
        snprintf(why, why_size, "%s: too many words; it takes: %s%s%s", command->name,
                 command->name, *command->words ? " " : "", command->words);
    else
        return 0;
    return -1;
}

static const char *url_of_environment(void)
{
    static const char *const names[] = {"PFS_API_URL", "AGFS_API_URL", "AGFS_SERVER_URL"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return value;
    }
    return NULL;
}

int pfs_options_parse(struct pfs_options *out, int argc, char **argv, char *why, size_t why_size)
{
    struct opt opts[OPTS_MAX];
    *out = (struct pfs_options){
        .url = url_of_environment(), .timeout_ns = 60 * SECOND, .retry_ns = 3 * SECOND};
    const char *name = first_word(argc, argv);
    if (name) {
        out->command = pfs_command_find(name);
        if (!out->command) {
            snprintf(why, why_size,
                     means_serve(argc, argv) ? "serve goes before all options" : "no command %s",
                     SHOWN(name));
            return -1;
        }
    }
    struct opt_table table = table_of(out->command, opts);
    if (opt_parse(&table, out, argc, argv, &out->rest, why, why_size) < 0)
        return -1;
    if (out->help || out->version)
        return 0;
    return check_words(out, why, why_size);
}

void pfs_options_free(struct pfs_options *o)
{
    free(o->rest.items);
    o->rest = (struct opt_list){0};
}

static void help_of_tool(const char *tool, FILE *out)
{
    size_t n;
    const struct pfs_command *all = pfs_command_all(&n);
    fprintf(out,
            "Usage: %s [OPTIONS] COMMAND [WORDS]\n"
            "       %s COMMAND --help\n"
            "Files and live byte streams of a StreamFS server.\n\n",
            tool, tool);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "  %-10s%s\n", all[i].name, all[i].summary);
    fprintf(out, "  %-10s%s\n\n", "serve", "be such a server");
}

void pfs_options_help(const struct pfs_command *command, const char *tool, FILE *out)
{
    struct opt opts[OPTS_MAX];
    struct opt_table table = table_of(command, opts);
    if (command) {
        fprintf(out, "Usage: %s %s [OPTIONS]%s%s\n%c%s\n\n", tool, command->name,
                *command->words ? " " : "", command->words, command->summary[0] - 'a' + 'A',
                command->summary + 1);
    } else {
        help_of_tool(tool, out);
    }
    opt_help(&table, out);
    if (!command)
        fputs("\nExit status: 0 done, 1 failed, 2 wrong use, 3 bytes were lost (--strict).\n", out);
}
