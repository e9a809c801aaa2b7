/* SPDX-License-Identifier: MIT
 *
 * "HOST:PORT" and "[v6]:PORT" to socket addresses. Addresses only, no names:
 * nothing is looked up. Pure. */
#ifndef GOS_ENGINE_ADDRESS_H
#define GOS_ENGINE_ADDRESS_H

#include <sys/socket.h>

/* 0 or GOS_EINVAL with a sentence that shows an example. Port 1..65535. */
int gos__address_parse(struct sockaddr_storage *out, const char *text);

#endif
