/* SPDX-License-Identifier: MIT
 *
 * The table of commands with their options; see command.h. */
#include "pfs/command.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/mode.h"
#include "common/policy.h"
#include "pfs/options.h"

#define FIELD(name) offsetof(struct pfs_options, name)
#define OPTIONS(array) .opts = array, .n_opts = sizeof array / sizeof *array
#define ANY ((size_t)-1)

static const char *check_count(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits && digits < 10 && !text[digits] ? NULL : "is not a number";
}

static const char *check_mode(const char *text)
{
    unsigned mode;
    return mode_parse(&mode, text, PFS_MODE_MAX) == 0 ? NULL : "is not an octal mode";
}

static const char *check_policy(const char *text)
{
    enum gos_ring_policy policy;
    return policy_parse(&policy, text) == 0 ? NULL : "is not " POLICY_NAMES;
}

/* ---- options that several commands have ---- */

#define RECURSIVE(what)                                                                            \
    {                                                                                              \
        .name = "recursive", .letter = 'r', .kind = OPT_FLAG, .field = FIELD(recursive),           \
        .help = what                                                                               \
    }

#define RETRY_FOR                                                                                  \
    {                                                                                              \
        .name = "retry-for", .kind = OPT_SECONDS, .field = FIELD(retry_ns), .arg = "SECONDS",      \
        .example = "--retry-for 30", .help = "after a broken connection try so long to go on (3)"  \
    }

#define LINES                                                                                      \
    {                                                                                              \
        .name = "lines", .letter = 'n', .kind = OPT_TEXT, .field = FIELD(lines), .arg = "N",       \
        .check = check_count, .example = "-n 20", .help = "how many lines (10)"                    \
    }

#define WITH_ALL "folders with all that is in them"

/* ---- by command ---- */

static const struct opt cat_opts[] = {
    {.name = "stream",
     .kind = OPT_FLAG,
     .field = FIELD(stream),
     .help = "read a stream: what it still holds, then what is written,\n"
             "until it is sealed or deleted"},
    {.name = "from",
     .kind = OPT_TEXT,
     .field = FIELD(from),
     .arg = "PLACE",
     .example = "--from now",
     .help = "with --stream: begin at oldest (the usual), now, mark, an\n"
             "offset, -BYTES or -DURATION before the end"},
    {.name = "policy",
     .kind = OPT_TEXT,
     .field = FIELD(policy),
     .arg = "POLICY",
     .check = check_policy,
     .example = "--policy block",
     .help = "with --stream: what happens when we read too slowly:\n"
             "drop_oldest, drop_to_latest, disconnect, block, drop_new"},
    {.name = "strict",
     .kind = OPT_FLAG,
     .field = FIELD(strict),
     .help = "with --stream: exit with 3 if bytes were lost"},
    {.name = "no-create",
     .kind = OPT_FLAG,
     .field = FIELD(no_create),
     .help = "with --stream: fail if there is no such stream yet"},
    RETRY_FOR,
};

static const struct opt write_opts[] = {
    {.name = "stream",
     .kind = OPT_FLAG,
     .field = FIELD(stream),
     .help = "write what stdin gives, each piece as it comes"},
    {.name = "seal",
     .kind = OPT_FLAG,
     .field = FIELD(seal),
     .help = "seal the stream after the last byte: its readers end"},
};

static const struct opt recursive_opts[] = {RECURSIVE(WITH_ALL)};

static const struct opt mkdir_opts[] = {
    {.name = "mode",
     .letter = 'm',
     .kind = OPT_TEXT,
     .field = FIELD(mode),
     .arg = "MODE",
     .check = check_mode,
     .example = "-m 700",
     .help = "the new folder's mode (755)"},
};

static const struct opt tail_opts[] = {
    LINES,
    {.name = "follow",
     .letter = 'f',
     .kind = OPT_FLAG,
     .field = FIELD(follow),
     .help = "go on with what is added"},
};

static const struct opt tailf_opts[] = {LINES};

static const struct opt tree_opts[] = {
    {.name = "level",
     .letter = 'L',
     .kind = OPT_TEXT,
     .field = FIELD(depth),
     .arg = "N",
     .check = check_count,
     .example = "-L 2",
     .help = "go down so many folders at most"},
};

static const struct opt grep_opts[] = {
    RECURSIVE("all files below a folder"),
    {.name = "ignore-case",
     .letter = 'i',
     .kind = OPT_FLAG,
     .field = FIELD(ignore_case),
     .help = "capital and small letters are the same"},
    {.name = "count",
     .letter = 'c',
     .kind = OPT_FLAG,
     .field = FIELD(count),
     .help = "only how many lines match"},
    {.name = "stream",
     .kind = OPT_FLAG,
     .field = FIELD(stream),
     .help = "print each match as soon as the server finds it"},
};

static const struct opt download_opts[] = {RECURSIVE(WITH_ALL), RETRY_FOR};

static const struct pfs_command commands[] = {
    {"ls", "[PATH]", "list a folder, the newest first", 0, 1, NULL, 0, cmd_ls},
    {"stat", "PATH...", "what is known of a file", 1, ANY, NULL, 0, cmd_stat},
    {"cat", "PATH...", "the bytes of files, or of a live stream", 1, ANY, OPTIONS(cat_opts),
     cmd_cat},
    {"write", "PATH [WORD...]", "write words, or stdin", 1, ANY, OPTIONS(write_opts), cmd_write},
    {"seal", "PATH...", "no more will be written to a stream", 1, ANY, NULL, 0, cmd_seal},
    {"rm", "PATH...", "delete", 1, ANY, OPTIONS(recursive_opts), cmd_rm},
    {"touch", "PATH...", "create empty", 1, ANY, NULL, 0, cmd_touch},
    {"mkdir", "PATH...", "create folders", 1, ANY, OPTIONS(mkdir_opts), cmd_mkdir},
    {"cp", "FROM TO", "copy a file within the server", 2, 2, NULL, 0, cmd_cp},
    {"mv", "FROM TO", "rename", 2, 2, NULL, 0, cmd_mv},
    {"chmod", "MODE PATH...", "change modes, octal", 2, ANY, NULL, 0, cmd_chmod},
    {"tail", "PATH", "the last lines of a file", 1, 1, OPTIONS(tail_opts), cmd_tail},
    {"tailf", "PATH", "the last lines, and what is added", 1, 1, OPTIONS(tailf_opts), cmd_tail},
    {"tree", "[PATH]", "a folder and all below it", 0, 1, OPTIONS(tree_opts), cmd_tree},
    {"grep", "PATTERN PATH", "lines that match", 2, 2, OPTIONS(grep_opts), cmd_grep},
    {"upload", "LOCAL PATH", "files of this machine to the server", 2, 2, OPTIONS(recursive_opts),
     cmd_upload},
    {"download", "PATH LOCAL", "files of the server to this machine", 2, 2, OPTIONS(download_opts),
     cmd_download},
    {"mount", "[FSTYPE PATH [KEY=VALUE...]]", "mount a file system", 0, ANY, NULL, 0, cmd_mount},
    {"unmount", "PATH", "take a mount away", 1, 1, NULL, 0, cmd_unmount},
    {"mounts", "", "what is mounted where", 0, 0, NULL, 0, cmd_mounts},
    {"plugins", "[list | load LIBRARY | unload LIBRARY]", "file systems that can be mounted", 0, 2,
     NULL, 0, cmd_plugins},
};

const struct pfs_command *pfs_command_all(size_t *n)
{
    *n = sizeof commands / sizeof *commands;
    return commands;
}

const struct pfs_command *pfs_command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}
