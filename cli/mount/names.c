/* SPDX-License-Identifier: MIT
 *
 * Names of directory entries; see names.h. */
#include "mount/names.h"

#include <stdio.h>
#include <string.h>

/* What follows the last dot is taken for an extension up to this length;
 * otherwise "Mr. Smith goes to ..." would have a very long one. */
#define EXTENSION_MAX 16

/* Where the extension of a file begins; at the end if it has none. */
static const char *extension(const char *name, size_t n, bool is_dir)
{
    const char *end = name + n;
    const char *dot = is_dir ? NULL : memrchr(name, '.', n);
    if (!dot || dot == name || (size_t)(end - dot) > EXTENSION_MAX)
        return end;
    return dot;
}

/* At most `room` bytes of `name`, not ending inside a UTF-8 character. */
static size_t cut(const char *name, size_t n, size_t room)
{
    if (n <= room)
        return n;
    n = room;
    while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static void join(char out[NAME_BYTES + 1], const char *name, size_t n, bool is_dir,
                 const char *middle)
{
    const char *ext = extension(name, n, is_dir);
    size_t ext_n = (size_t)(name + n - ext);
    size_t middle_n = strlen(middle);
    size_t stem_n = cut(name, (size_t)(ext - name), NAME_BYTES - ext_n - middle_n);
    memcpy(out, name, stem_n);
    memcpy(out + stem_n, middle, middle_n);
    memcpy(out + stem_n + middle_n, ext, ext_n);
    out[stem_n + middle_n + ext_n] = '\0';
}

void names_fit(char out[NAME_BYTES + 1], const char *name, size_t n, bool is_dir)
{
    if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && !memcmp(name, "..", 2)))
        join(out, "_", 1, is_dir, "");
    else
        join(out, name, n, is_dir, "");
}

void names_numbered(char out[NAME_BYTES + 1], const char *name, unsigned number, bool is_dir)
{
    char middle[16];
    snprintf(middle, sizeof middle, " (%u)", number);
    join(out, name, strlen(name), is_dir, middle);
}
