/* SPDX-License-Identifier: MIT
 *
 * Where the server is, as typed or found in the environment, and the addresses
 * of calls made from it. Pure. */
#ifndef CLI_PFS_BASE_URL_H
#define CLI_PFS_BASE_URL_H

#include <stdbool.h>
#include <stddef.h>

#define PFS_DEFAULT_URL "http://localhost:8080/api/v1"

struct pfs_base {
    char *url;       /* with scheme, without a slash at its end, ends in /api/v1 */
    char *unix_path; /* of a Unix socket, or NULL */
    bool loopback;   /* proxies have no business between us and it */
};

struct pfs_query {
    const char *key, *value; /* value NULL: left out */
};

/* "http://HOST:PORT[/api/v1]", "HOST:PORT" or "unix:/PATH".
 * Returns NULL, or what is wrong; nothing is allocated then. */
const char *pfs_base_parse(struct pfs_base *out, const char *text);

/* How a server is started that would answer there; NULL: not on this machine, or not
 * by us. To free. */
char *pfs_base_serve(const struct pfs_base *base);

void pfs_base_free(struct pfs_base *base);

/* The address of a call: `path` below the base, and `n` pairs behind it. To free. */
char *pfs_base_call(const struct pfs_base *base, const char *path, const struct pfs_query *query,
                    size_t n);

#endif
