/* SPDX-License-Identifier: MIT
 *
 * Sessions with one torrent from a file, which may sleep. */
#ifndef TESTS_ENGINE_SLEEPING_H
#define TESTS_ENGINE_SLEEPING_H

#include "rig.h"

#define KIB 1024u
#define MIB (1024u * 1024u)
#define SIZE (4 * MIB)

extern char sleeping_path[64]; /* of the .torrent file; made and removed with each test */

void sleeping_write_file(const char *text);
int sleeping_make_path(void **state);
int sleeping_remove_path(void **state);
void sleeping_open_session_that(struct rig *r, int64_t sleep_after_ns, bool libtorrent_picks);
void sleeping_open_session(struct rig *r, int64_t sleep_after_ns);
void sleeping_add_file(struct rig *r, const char *more, bool asleep);
void sleeping_open_asleep(struct rig *r, const char *more);
bool sleeping_is_asleep(void *rig);
bool sleeping_arena_is_empty(void *rig);
void sleeping_let_it_sleep(struct rig *r);
int64_t sleeping_read_error(struct rig *r);

#endif
