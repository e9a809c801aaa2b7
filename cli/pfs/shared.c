/* SPDX-License-Identifier: MIT
 *
 * What commands share: telling failures, one call about one path, names; see
 * command.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/say.h"
#include "common/text.h"
#include "pfs/answer.h"
#include "pfs/command.h"
#include "pfs/entry.h"
#include "pfs/options.h"

bool pfs_to_terminal(void)
{
    return isatty(STDOUT_FILENO);
}

const char *pfs_last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *pfs_join(const char *folder, const char *name)
{
    size_t n = strlen(folder);
    while (n && folder[n - 1] == '/')
        n--;
    return pfs_printf("%.*s/%s", (int)n, folder, name);
}

/* Most messages name the path, but as the mount sees it: /s for /streamfs/s. */
static bool names(const char *message, const char *path)
{
    char *part = pfs_printf("/%s", pfs_last_part(path));
    bool found = strstr(message, part) != NULL;
    free(part);
    return found;
}

int pfs_fail(const struct pfs_run *r, const char *path, const char *message)
{
    if (path && !names(message, path))
        say_bare("%s: %s: %s", r->name, SHOWN(path), SHOWN(message));
    else
        say_bare("%s: %s", r->name, SHOWN(message));
    return PFS_FAILED;
}

int pfs_fail_stream(const struct pfs_run *r, const char *path)
{
    say_bare("%s: %s: is a stream; use: pfs cat --stream %s", r->name, SHOWN(path), SHOWN(path));
    return PFS_FAILED;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && !strcmp(text + n - k, end);
}

int pfs_fail_call(const struct pfs_run *r, const char *path)
{
    const char *error = client_error(r->client);
    /* The words of all servers, also for a stream that is not there yet. */
    if (path && strstr(error, "use stream mode"))
        return pfs_fail_stream(r, path);
    /* What a file system of the server misses is "file not found: /x", "stream not found: /x". */
    if (path && client_status(r->client) == 404 && ends_with(error, ": not found")) {
        say_bare("%s: %s; nothing is mounted there, see: pfs mounts", r->name, SHOWN(error));
        return PFS_FAILED;
    }
    /* That no server is there has nothing to do with the path. */
    return pfs_fail(r, client_status(r->client) ? path : NULL, error);
}

int pfs_wrong_use(const struct pfs_run *r, const char *message)
{
    say_bare("%s: %s", r->name, SHOWN(message));
    return PFS_USAGE;
}

int pfs_each(const struct pfs_run *r, size_t first,
             int (*one)(const struct pfs_run *r, const char *path))
{
    int worst = PFS_OK;
    for (size_t i = first; i < r->n; i++) {
        int status = one(r, r->words[i]);
        worst = status > worst ? status : worst;
    }
    return worst;
}

int pfs_path_call(const struct pfs_run *r, const char *method, const char *path_of_call,
                  const char *path, struct json_object **answer)
{
    struct json_object *unwanted = NULL;
    struct client_call call = {.method = method, .path = path_of_call, .query = {{"path", path}}};
    enum client_end end = client_json(r->client, &call, answer ? answer : &unwanted);
    json_object_put(unwanted);
    return end == CLIENT_DONE ? PFS_OK : pfs_fail_call(r, path);
}

int pfs_stat(const struct pfs_run *r, const char *path, struct pfs_entry *out,
             struct json_object **answer)
{
    int status = pfs_path_call(r, "GET", "/stat", path, answer);
    if (status == PFS_OK)
        *out = pfs_entry_read(*answer);
    return status;
}

int pfs_list(const struct pfs_run *r, const char *path, struct pfs_entries *out,
             struct json_object **answer)
{
    int status = pfs_path_call(r, "GET", "/directories", path, answer);
    if (status == PFS_OK)
        *out = pfs_entries_read(*answer);
    return status;
}
