/* SPDX-License-Identifier: MIT
 *
 * Marks for clang's -Wthread-safety. gcc does not know them. */
#ifndef GOS_BASE_ANNOTATE_H
#define GOS_BASE_ANNOTATE_H

#if defined(__clang__)
#define GOS_TSA(x) __attribute__((x))
#else
#define GOS_TSA(x)
#endif

#define GOS_CAPABILITY(name) GOS_TSA(capability(name))
#define GOS_ACQUIRES(...) GOS_TSA(acquire_capability(__VA_ARGS__))
#define GOS_RELEASES(...) GOS_TSA(release_capability(__VA_ARGS__))
#define GOS_REQUIRES(...) GOS_TSA(requires_capability(__VA_ARGS__))
#define GOS_EXCLUDES(...) GOS_TSA(locks_excluded(__VA_ARGS__))
#define GOS_NO_TSA GOS_TSA(no_thread_safety_analysis)

#endif
