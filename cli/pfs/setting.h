/* SPDX-License-Identifier: MIT
 *
 * Settings of a mount: as typed, and as shown. Pure. */
#ifndef CLI_PFS_SETTING_H
#define CLI_PFS_SETTING_H

#include <json-c/json.h>

/* "5" an integer, "1.5" a number, "true" and "false", else text. To release. */
struct json_object *pfs_setting_read(const char *text);

/* As `mounts` prints it: secrets as ***, long values cut. To free. */
char *pfs_setting_show(const char *key, struct json_object *value);

#endif
