/* SPDX-License-Identifier: MIT
 *
 * Before the first thread; see startup.h. */
#include "mount/startup.h"

#include <dirent.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Debian and what comes from it: the same certificates twice, as one bundle and one
 * by one under the hashes of their names. */
#define CERTIFICATES "/etc/ssl/certs"
#define BUNDLE CERTIFICATES "/ca-certificates.crt"

static bool is_unset_or(const char *name, const char *value)
{
    const char *is = getenv(name);
    return !is || !*is || !strcmp(is, value);
}

static bool is_hashed_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == 8 && !strcmp(name + 8, ".0");
}

static bool certificates_are_hashed(void)
{
    DIR *dir = opendir(CERTIFICATES);
    bool found = false;
    if (!dir)
        return false;
    for (const struct dirent *e; !found && (e = readdir(dir));)
        found = is_hashed_name(e->d_name);
    closedir(dir);
    return found;
}

/* libtorrent reads the whole bundle when it starts, for trackers behind HTTPS: half
 * of the time to the first byte. Where the single files are there, OpenSSL finds
 * the one that it needs when it needs it. What the user chose stays. */
static void skip_the_bundle(void)
{
    if (is_unset_or("SSL_CERT_FILE", BUNDLE) && is_unset_or("SSL_CERT_DIR", CERTIFICATES) &&
        certificates_are_hashed())
        setenv("SSL_CERT_FILE", "/dev/null", 1);
}

/* libtorrent's buffers for what peers send grow and shrink all the time, and are so
 * large that malloc, left to itself, maps them anew and the kernel clears them again:
 * half of all page faults, and 9 MiB with 50 peers. Few arenas, as few threads
 * allocate. */
static void keep_freed_memory(void)
{
#ifdef M_ARENA_MAX
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 8 << 20);
    mallopt(M_ARENA_MAX, 2);
#endif
}

void startup(void)
{
    keep_freed_memory();
    skip_the_bundle();
}
