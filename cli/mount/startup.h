/* SPDX-License-Identifier: MIT
 *
 * What belongs to the whole process and has to be said before its first thread
 * starts: a library may not say it, so the tool does. */
#ifndef GOS_MOUNT_STARTUP_H
#define GOS_MOUNT_STARTUP_H

void startup(void);

#endif
