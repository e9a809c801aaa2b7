/* SPDX-License-Identifier: MIT
 *
 * One form for paths; see path.h. Pure. */
#include "serve/path.h"

#include <stdio.h>
#include <string.h>

#include "common/text.h"

static bool is_utf8(const char *text)
{
    while (*text) {
        unsigned code;
        size_t n = text_decode(text, &code);
        if (n == 0)
            return false;
        text += n;
    }
    return true;
}

static size_t without_last(const char *out, size_t used)
{
    while (used > 0 && out[used - 1] != '/')
        used--;
    return used > 0 ? used - 1 : 0;
}

int path_normalise(char out[PATH_BYTES], const char *in, size_t n, struct problem *p)
{
    if (memchr(in, '\0', n))
        return problem_set(p, 400, "invalid path: it contains a NUL byte");
    if (n >= PATH_BYTES)
        return problem_set(p, 400, "invalid path: longer than %d bytes", PATH_BYTES - 1);

    char result[PATH_BYTES + 1];
    size_t used = 0;
    for (size_t i = 0; i < n;) {
        const char *part = in + i;
        const char *slash = memchr(part, '/', n - i);
        size_t length = slash ? (size_t)(slash - part) : n - i;
        i += length + 1;
        if (length == 0 || (length == 1 && part[0] == '.'))
            continue;
        if (length == 2 && part[0] == '.' && part[1] == '.') {
            used = without_last(result, used);
            continue;
        }
        result[used++] = '/';
        memcpy(result + used, part, length);
        used += length;
    }
    if (used == 0)
        result[used++] = '/';
    if (used >= PATH_BYTES)
        return problem_set(p, 400, "invalid path: longer than %d bytes", PATH_BYTES - 1);
    result[used] = '\0';
    if (!is_utf8(result))
        return problem_set(p, 400, "invalid path: it is not UTF-8");
    memcpy(out, result, used + 1);
    return 0;
}

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

void path_parent(char out[PATH_BYTES], const char *path)
{
    size_t n = without_last(path, strlen(path));
    if (n == 0)
        n = 1; /* the slash of the root */
    memmove(out, path, n);
    out[n] = '\0';
}

bool path_within(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    if (n == 1)
        return true;
    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

int path_join(char out[PATH_BYTES], const char *folder, const char *name, struct problem *p)
{
    if (name[0] == '/')
        return path_normalise(out, name, strlen(name), p);
    char both[2 * PATH_BYTES];
    int n = snprintf(both, sizeof both, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof both)
        return problem_set(p, 400, "invalid path: longer than %d bytes", PATH_BYTES - 1);
    return path_normalise(out, both, (size_t)n, p);
}
