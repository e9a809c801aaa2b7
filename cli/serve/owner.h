/* SPDX-License-Identifier: MIT
 *
 * From a task, timer or waiter to the struct that holds it. */
#ifndef CLI_SERVE_OWNER_H
#define CLI_SERVE_OWNER_H

#include <stddef.h>

#define OWNER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
