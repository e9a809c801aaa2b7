/* SPDX-License-Identifier: MIT
 *
 * The commands: one table says what they are called, what they take, and who
 * does them. */
#ifndef CLI_PFS_COMMAND_H
#define CLI_PFS_COMMAND_H

#include <stddef.h>

#include "common/opt.h"
#include "pfs/client.h"

struct pfs_options;

/* Exit statuses. */
enum { PFS_OK = 0, PFS_FAILED = 1, PFS_USAGE = 2, PFS_GAPS = 3 };

/* The largest mode: permissions, set-id and sticky bits. */
#define PFS_MODE_MAX 07777u

/* Folders within folders that are followed: servers could show them without end. */
#define PFS_DEPTH_MAX 64
#define PFS_TOO_DEEP "is more than 64 folders deep"

/* One run of one command. */
struct pfs_run {
    struct client *client;
    const struct pfs_options *options;
    const char *name; /* the command's */
    const char **words;
    size_t n;
};

struct pfs_command {
    const char *name;
    const char *words;   /* "[PATH]", for --help */
    const char *summary; /* one line */
    size_t min, max;     /* how many words */
    const struct opt *opts;
    size_t n_opts;
    int (*run)(const struct pfs_run *r);
};

/* By name, or NULL. */
const struct pfs_command *pfs_command_find(const char *name);

/* All of them, in the order of --help; *n is how many. */
const struct pfs_command *pfs_command_all(size_t *n);

/* ---- what commands share ---- */

/* "cat: /x: MESSAGE" on stderr; without the path where the message has it, or it
 * is NULL. Returns PFS_FAILED. */
int pfs_fail(const struct pfs_run *r, const char *path, const char *message);

/* The same with the sentence of the last call. */
int pfs_fail_call(const struct pfs_run *r, const char *path);

/* A stream where a file was wanted: says how to read it. Returns PFS_FAILED. */
int pfs_fail_stream(const struct pfs_run *r, const char *path);

/* "cat: MESSAGE". Returns PFS_USAGE. */
int pfs_wrong_use(const struct pfs_run *r, const char *message);

/* Run `one` for each word from `first` on; the worst status. */
int pfs_each(const struct pfs_run *r, size_t first,
             int (*one)(const struct pfs_run *r, const char *path));

/* One call about a path; what is refused is told. *answer may be NULL. */
int pfs_path_call(const struct pfs_run *r, const char *method, const char *path_of_call,
                  const char *path, struct json_object **answer);

/* GET /stat; what is refused is told. *answer owns what `out` points at. */
struct pfs_entry;
int pfs_stat(const struct pfs_run *r, const char *path, struct pfs_entry *out,
             struct json_object **answer);

/* GET /directories, likewise. */
struct pfs_entries;
int pfs_list(const struct pfs_run *r, const char *path, struct pfs_entries *out,
             struct json_object **answer);

/* "/a" and "b" to "/a/b". To free. */
char *pfs_join(const char *folder, const char *name);

/* The last part of a path, "" of "/". Points into it. */
const char *pfs_last_part(const char *path);

/* Whether stdout is a terminal: names are made safe, a last newline is added. */
bool pfs_to_terminal(void);

int cmd_ls(const struct pfs_run *r);
int cmd_stat(const struct pfs_run *r);
int cmd_cat(const struct pfs_run *r);
int cmd_write(const struct pfs_run *r);
int cmd_seal(const struct pfs_run *r);
int cmd_rm(const struct pfs_run *r);
int cmd_touch(const struct pfs_run *r);
int cmd_mkdir(const struct pfs_run *r);
int cmd_cp(const struct pfs_run *r);
int cmd_mv(const struct pfs_run *r);
int cmd_chmod(const struct pfs_run *r);
int cmd_tail(const struct pfs_run *r);
int cmd_tree(const struct pfs_run *r);
int cmd_grep(const struct pfs_run *r);
int cmd_upload(const struct pfs_run *r);
int cmd_download(const struct pfs_run *r);
int cmd_mount(const struct pfs_run *r);
int cmd_unmount(const struct pfs_run *r);
int cmd_mounts(const struct pfs_run *r);
int cmd_plugins(const struct pfs_run *r);

#endif
