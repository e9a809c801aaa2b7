/* SPDX-License-Identifier: MIT
 *
 * "HOST:PORT" as typed: checked, and HOST looked up where it is a name. */
#ifndef CLI_COMMON_ENDPOINT_H
#define CLI_COMMON_ENDPOINT_H

#include <stddef.h>

/* "[ffff:...]%scope:65535" */
#define ENDPOINT_MAX 96

/* What is wrong with "HOST:PORT" or "[IPV6]:PORT", port 1 to 65535, or NULL.
 * Nothing is looked up. */
const char *endpoint_check(const char *text);

/* The same for a place to listen: addresses only, port 0 (chosen by the system)
 * allowed, several separated by commas. */
const char *endpoint_check_listen(const char *text);

/* The numeric form of a checked "HOST:PORT". A name is looked up, which may
 * take as long as the system's resolver does; its first address is taken.
 * Returns NULL, or the resolver's words on what is wrong. */
const char *endpoint_resolve(char out[ENDPOINT_MAX], const char *text);

#endif
