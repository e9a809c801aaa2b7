/* SPDX-License-Identifier: MIT
 *
 * Checks of the mount point; see mountpoint.h. */
#include "mount/mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/say.h"
#include "common/text.h"

#define OUR_TYPE "fuse.gostream"
#define STACKED_MAX 16 /* dead mounts of ours on one another */

extern char **environ;

/* ---- what is mounted there ---- */

/* A field of mountinfo, in which blanks are written as \040. */
static bool same_field(const char *field, size_t n, const char *path)
{
    const char *end = field + n;
    for (; field < end; path++) {
        char c = *field++;
        if (c == '\\' && end - field >= 3) {
            c = (char)((field[0] - '0') << 6 | (field[1] - '0') << 3 | (field[2] - '0'));
            field += 3;
        }
        if (c != *path)
            return false;
    }
    return *path == '\0';
}

/* The fifth field is the mount point, the type comes after " - ". */
static bool line_matches(const char *line, size_t n, const char *path, char type[MOUNTPOINT_TYPE])
{
    const char *end = line + n, *field = line;
    for (int i = 0; i < 4; i++) {
        field = memchr(field, ' ', (size_t)(end - field));
        if (!field)
            return false;
        field++;
    }
    const char *field_end = memchr(field, ' ', (size_t)(end - field));
    if (!field_end || !same_field(field, (size_t)(field_end - field), path))
        return false;
    const char *dash = memmem(field_end, (size_t)(end - field_end), " - ", 3);
    if (!dash)
        return false;
    const char *name = dash + 3;
    const char *name_end = memchr(name, ' ', (size_t)(end - name));
    snprintf(type, MOUNTPOINT_TYPE, "%.*s", (int)((name_end ? name_end : end) - name), name);
    return true;
}

int mountpoint_find(const char *mountinfo, const char *path, char type[MOUNTPOINT_TYPE])
{
    int found = 0;
    while (*mountinfo) {
        size_t n = strcspn(mountinfo, "\n");
        if (line_matches(mountinfo, n, path, type))
            found = 1; /* a later one lies on top */
        mountinfo += n + (mountinfo[n] == '\n');
    }
    return found;
}

static char *read_mountinfo(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *in = fopen("/proc/self/mountinfo", "re");
    if (!in)
        return NULL;
    /* No NUL can be in it, so this reads the whole file. */
    if (getdelim(&text, &size, '\0', in) < 0) {
        free(text);
        text = NULL;
    }
    fclose(in);
    return text;
}

static bool is_mounted(const char *path, char type[MOUNTPOINT_TYPE])
{
    char *text = read_mountinfo();
    bool found = text && mountpoint_find(text, path, type);
    free(text);
    return found;
}

/* The absolute path of `name` in the folder `parent`, which is consumed. */
static char *join(char *parent, const char *name)
{
    char *path = NULL;
    if (parent && asprintf(&path, "%s/%s", parent[1] ? parent : "", name) < 0)
        path = NULL;
    free(parent);
    return path;
}

/* The absolute path. A dead mount cannot be entered, but its parent can. */
static char *resolve(const char *dir)
{
    char *path = realpath(dir, NULL);
    if (path || (errno != ENOTCONN && errno != EACCES))
        return path;
    char *copy = strdup(dir);
    if (!copy)
        return NULL;
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
        copy[n - 1] = '\0';
    char *slash = strrchr(copy, '/');
    if (!slash) {
        path = join(realpath(".", NULL), copy);
    } else if (slash == copy) {
        path = join(realpath("/", NULL), slash + 1);
    } else {
        *slash = '\0';
        path = join(realpath(copy, NULL), slash + 1);
    }
    free(copy);
    return path;
}

/* ---- our own dead mounts ---- */

static bool unmount(const char *path)
{
    if (geteuid() == 0)
        return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
    const char *argv[] = {"fusermount3", "-u", "-z", "--", path, NULL};
    pid_t pid;
    int status;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ) != 0)
        return false;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return status == 0;
}

static bool is_dead(const char *path)
{
    /* Not stat(): the kernel answers that for a dead mount too, from what it
     * remembers of the root. It never remembers this. */
    struct statfs fs;
    return statfs(path, &fs) < 0 && errno == ENOTCONN;
}

/* Take away dead mounts of ours. True if nothing is mounted there then. */
static bool clear(const char *path, char type[MOUNTPOINT_TYPE])
{
    for (int i = 0; i < STACKED_MAX; i++) {
        if (!is_mounted(path, type))
            return true;
        if (strcmp(type, OUR_TYPE) != 0 || !is_dead(path) || !unmount(path))
            return false;
    }
    return false;
}

void mountpoint_clean(const char *dir)
{
    char type[MOUNTPOINT_TYPE];
    char *path = resolve(dir);
    if (path)
        clear(path, type);
    free(path);
}

/* ---- the check ---- */

static int check_unmounted(const char *dir, const char *path)
{
    char type[MOUNTPOINT_TYPE] = "";
    if (clear(path, type))
        return 0;
    if (!strcmp(type, OUR_TYPE) && is_dead(path))
        say("%s: a dead mount is there and cannot be taken away; do it as its owner or root: "
            "umount -l %s",
            SHOWN(dir), SHOWN(dir));
    else if (!strcmp(type, OUR_TYPE))
        say("%s: is mounted by another gostream-mount already; end that first: fusermount3 -u %s",
            SHOWN(dir), SHOWN(dir));
    else
        say("%s: another file system (%s) is mounted there; choose an empty folder", SHOWN(dir),
            SHOWN(type));
    return -1;
}

static int check_empty(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d) {
        say("%s: cannot be read: %s; choose a folder of your own", SHOWN(dir), strerror(errno));
        return -1;
    }
    const struct dirent *entry;
    do
        entry = readdir(d);
    while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
    bool empty = !entry;
    closedir(d);
    if (!empty)
        say("%s: is not empty; a mount would hide what is in it: choose an empty folder",
            SHOWN(dir));
    return empty ? 0 : -1;
}

static int check_device(void)
{
    if (access("/dev/fuse", R_OK | W_OK) == 0)
        return 0;
    if (errno == EACCES) {
        say("/dev/fuse: not open to this user; as root: chmod 666 /dev/fuse, or run this as root");
        return -1;
    }
    say("/dev/fuse: %s; load the module as root (modprobe fuse), or start the container with "
        "--device /dev/fuse --cap-add SYS_ADMIN",
        strerror(errno));
    return -1;
}

static int say_errno(const char *dir, int error)
{
    if (error == ENOENT)
        say("%s: does not exist; make it: mkdir -p %s", SHOWN(dir), SHOWN(dir));
    else if (error == ENOTDIR)
        say("%s: is not a directory; choose an empty folder", SHOWN(dir));
    else if (error == EACCES)
        say("%s: not permitted; choose a folder of your own", SHOWN(dir));
    else if (error == ENOTCONN)
        say("%s: a dead mount is there; take it away: fusermount3 -u %s", SHOWN(dir), SHOWN(dir));
    else
        say("%s: %s", SHOWN(dir), strerror(error));
    return -1;
}

int mountpoint_check(const char *dir)
{
    struct stat st;
    char *path = resolve(dir);
    if (!path)
        return say_errno(dir, errno);
    int rc = check_unmounted(dir, path);
    free(path);
    if (rc < 0)
        return -1;
    if (stat(dir, &st) < 0)
        return say_errno(dir, errno);
    if (!S_ISDIR(st.st_mode))
        return say_errno(dir, ENOTDIR);
    if (access(dir, W_OK) < 0)
        return say_errno(dir, errno);
    if (check_empty(dir) < 0)
        return -1;
    return check_device();
}
