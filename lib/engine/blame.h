/* SPDX-License-Identifier: MIT
 *
 * Who lied. Keeps the prints of the blocks of failed copies with their senders;
 * when a good copy is there the senders of blocks that differ are the liars.
 * Pure. Runs on the network thread. Bounded: the oldest suspicion is forgotten
 * when there are too many. */
#ifndef GOS_ENGINE_BLAME_H
#define GOS_ENGINE_BLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "engine/address.h"

struct gos__blame;

int gos__blame_new(struct gos__blame **out); /* one per torrent */
void gos__blame_free(struct gos__blame *b);
/* Nobody is met for long: forget all but the guilty, the last 256 of them. */
void gos__blame_rest(struct gos__blame *b);

/* The identity of an address: the same number for the same address again (on
 * loopback for the same address and port). `outgoing` false: the port says
 * nothing about who it is, except on loopback. At most 65536 are remembered,
 * the oldest without guilt are forgotten. Negative: GOS_ENOMEM. */
int64_t gos__blame_who(struct gos__blame *b, const struct sockaddr_storage *sa, bool outgoing);
/* Where it was seen last. */
struct gos__endpoint gos__blame_seen(const struct gos__blame *b, uint32_t who);
bool gos__blame_banned(const struct gos__blame *b, uint32_t who);
void gos__blame_ban(struct gos__blame *b, uint32_t who);
uint64_t gos__blame_bans(const struct gos__blame *b);

/* 64 bits that tell blocks apart; keyed by the session so that a liar cannot
 * make two blocks that look alike. Thread-safe (the hash thread calls it). */
uint64_t gos__blame_print(uint64_t key, const void *bytes, size_t len);

/* A copy failed. `prints` and `senders` hold `n` entries (senders may be
 * GOS__SCHED_NOBODY). If all came from one sender it is the liar. Fills
 * liars[0..max) and returns how many; GOS_ENOMEM. */
int gos__blame_failed(struct gos__blame *b, uint32_t piece, const uint64_t *prints,
                      const uint32_t *senders, size_t n, uint32_t *liars, size_t max);
/* Whether a failed copy of this piece is remembered: then prints of the next one are needed. */
bool gos__blame_suspects(const struct gos__blame *b, uint32_t piece);
/* Fills who[0..max) with the senders of the failed copies of a piece, each once; returns how many.
 */
size_t gos__blame_senders(const struct gos__blame *b, uint32_t piece, uint32_t *who, size_t max);
/* A good copy: forgets the piece. Fills liars as above. */
int gos__blame_good(struct gos__blame *b, uint32_t piece, const uint64_t *prints, size_t n,
                    uint32_t *liars, size_t max);

#endif
