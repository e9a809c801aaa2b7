/* SPDX-License-Identifier: MIT
 *
 * What every public header needs: the export mark, C linkage, and the form in
 * which options are passed. Include <gostream.h> rather than this file. */
#ifndef GOSTREAM_COMMON_H
#define GOSTREAM_COMMON_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GOS_API __attribute__((visibility("default")))
#define GOS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define GOS_API
#define GOS_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
#define GOS_BEGIN_DECLS extern "C" {
#define GOS_END_DECLS }
#else
#define GOS_BEGIN_DECLS
#define GOS_END_DECLS
#endif

/* Options of a call, written where it is made (C only); what is not named is
 * the default:
 *     gos_session_new(&s, GOS_OPTS(gos_session_opts, .ram = 64 << 20));
 * Every options struct begins with its size, so a library older or newer than
 * the header it was built with can tell what it was given. Zero always means
 * the default. */
#define GOS_OPTS(type, ...) (&(const struct type){.struct_size = sizeof(struct type), __VA_ARGS__})

#endif
