/* SPDX-License-Identifier: MIT
 *
 * "HOST:PORT" and "[v6]:PORT" to socket addresses, and back. Addresses only, no
 * names: nothing is looked up. Pure. */
#ifndef GOS_ENGINE_ADDRESS_H
#define GOS_ENGINE_ADDRESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* 0 or GOS_EINVAL with a sentence that shows an example. Port 1..65535. */
int gos__address_parse(struct sockaddr_storage *out, const char *text);

/* An address and a port in 20 bytes, where a sockaddr_storage has 128. */
struct gos__endpoint {
    uint8_t ip[16]; /* network order; of IPv4 the first four */
    uint16_t port;  /* host order */
    uint8_t is_v6;
    uint8_t known; /* 0: no address at all */
};

struct gos__endpoint gos__address_pack(const struct sockaddr_storage *sa);
struct sockaddr_storage gos__address_unpack(const struct gos__endpoint *e);

#define GOS__ADDRESS_TEXT 56 /* "[v6]:port" and its zero at the most */
/* As gos__address_parse() reads it; "" where no address is known. */
void gos__address_text(char *out, size_t size, const struct gos__endpoint *e);

#endif
