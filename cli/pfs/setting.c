/* SPDX-License-Identifier: MIT
 *
 * Settings of a mount; see setting.h. */
#include "pfs/setting.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pfs/memory.h"

#define SHOWN_MAX 50

/* Neither "0x1p3" nor "inf" nor "nan": a name may look like those. */
static struct json_object *read_number(const char *text)
{
    char *end;
    size_t n = strspn(text, "+-0123456789.eE");
    if (text[n] || !strpbrk(text, "0123456789"))
        return NULL;
    errno = 0;
    long long whole = strtoll(text, &end, 10);
    if (!*end && !errno)
        return json_object_new_int64(whole);
    double value = strtod(text, &end);
    return *end || !strpbrk(text, ".eE") ? NULL : json_object_new_double_s(value, text);
}

struct json_object *pfs_setting_read(const char *text)
{
    struct json_object *value = read_number(text);
    if (!value && !strcasecmp(text, "true"))
        value = json_object_new_boolean(true);
    if (!value && !strcasecmp(text, "false"))
        value = json_object_new_boolean(false);
    return pfs_must(value ? value : json_object_new_string(text));
}

static bool is_secret(const char *key)
{
    static const char *const words[] = {"secret_access_key", "password", "token"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(key, words[i]))
            return true;
    return false;
}

char *pfs_setting_show(const char *key, struct json_object *value)
{
    const char *text = json_object_is_type(value, json_type_string)
                           ? json_object_get_string(value)
                           : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
    if (is_secret(key))
        return pfs_strdup("***");
    if (strlen(text) <= SHOWN_MAX)
        return pfs_strdup(text);
    return pfs_printf("%.*s...", SHOWN_MAX - 3, text);
}
