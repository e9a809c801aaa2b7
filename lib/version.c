/* SPDX-License-Identifier: MIT
 *
 * Which version is running. Any thread. */
#include <gostream/version.h>

const char *gos_version(void)
{
    return GOS_VERSION;
}
