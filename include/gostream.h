/* SPDX-License-Identifier: MIT
 *
 * libgostream: slow, live or far-away bytes as files that simply work. */
#ifndef GOSTREAM_H
#define GOSTREAM_H

#include <gostream/common.h>
#include <gostream/error.h>
#include <gostream/log.h>
#include <gostream/ring.h>
#include <gostream/ring_set.h>
#include <gostream/ring_stats.h>
#include <gostream/source.h>
#include <gostream/torrent.h>
#include <gostream/version.h>

#endif
