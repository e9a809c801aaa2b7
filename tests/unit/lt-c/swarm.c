/* SPDX-License-Identifier: MIT
 *
 * Files, torrents and seeders for the tests of lt-c. See rig.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

const char *rig_tool(const char *name)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
    assert_true(n > 0);
    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, name);
    if (access(path, X_OK) < 0) {
        fprintf(stderr, "skipped: no %s\n", path);
        exit(77);
    }
    return path;
}

static pid_t spawn(const char *const argv[], int in, int out)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(in, 0);
        dup2(out, 1);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    return pid;
}

void rig_run(const char *const argv[])
{
    int status = -1;
    pid_t pid = spawn(argv, 0, 2);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

char *rig_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = NULL;
    assert_true(asprintf(&path, "%s/ltc-test-XXXXXX", tmp ? tmp : "/tmp") > 0);
    assert_non_null(mkdtemp(path));
    return path;
}

void rig_remove(char *folder)
{
    const char *argv[] = {"/bin/rm", "-rf", folder, NULL};
    rig_run(argv);
    free(folder);
}

void rig_file(const char *folder, const char *name, size_t size, unsigned seed)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        putc((int)(x & 255), f);
    }
    assert_int_equal(fclose(f), 0);
}

uint8_t *rig_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

ltc_info *rig_torrent(const char *folder, const char *name, const char *kind, unsigned piece)
{
    char out[PATH_MAX], path[PATH_MAX], size[16];
    snprintf(out, sizeof out, "%s/%s.torrent", folder, name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(size, sizeof size, "%u", piece);
    const char *argv[] = {
        rig_tool("lttorrent"), "--kind", kind, "--piece", size, "--out", out, path, NULL};
    rig_run(argv);
    size_t n;
    uint8_t *bytes = rig_read(out, &n);
    struct ltc_error err;
    ltc_info *info = NULL;
    if (ltc_info_parse(&info, bytes, n, &err) < 0)
        fail_msg("%s", err.text);
    free(bytes);
    return info;
}

void rig_film_begin(struct rig_film *f, size_t size, unsigned piece)
{
    char path[PATH_MAX];
    size_t read;
    f->folder = rig_folder();
    rig_file(f->folder, "film.mkv", size, 1);
    snprintf(path, sizeof path, "%s/film.mkv", f->folder);
    f->bytes = rig_read(path, &read);
    f->info = rig_torrent(f->folder, "film.mkv", "v1", piece);
}

void rig_film_end(struct rig_film *f)
{
    ltc_info_unref(f->info);
    free(f->bytes);
    rig_remove(f->folder);
}

void rig_seed(struct seeder *s, const char *folder, const char *name, const char *const extra[])
{
    char torrent[PATH_MAX];
    snprintf(torrent, sizeof torrent, "%s/%s.torrent", folder, name);
    const char *argv[24] = {rig_tool("ltseed"), "--torrent", torrent, "--dir", folder};
    for (int i = 0; extra && extra[i]; i++)
        argv[5 + i] = extra[i];
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    s->pid = spawn(argv, in[0], out[1]);
    s->in = in[1];
    close(in[0]);
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    unsigned port = 0;
    assert_int_equal(fscanf(f, "listening %u", &port), 1);
    fclose(f);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(&s->addr, 0, sizeof s->addr);
    memcpy(&s->addr, &sa, sizeof sa);
}

void rig_seed_end(struct seeder *s)
{
    int status = -1;
    close(s->in);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_int_equal(status, 0);
}
