/* SPDX-License-Identifier: MIT
 *
 * pfs: the command line of StreamFS. Which command it is, and how the process
 * ends: 0 done, 1 failed, 2 wrong use, 3 bytes of a stream were lost. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gostream.h>

#include "common/say.h"
#include "pfs/options.h"
#include "serve/serve.h"

/* The name it was called by: scripts of its second generation say agfs. */
static const char *tool_name(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
    const char *name = slash ? slash + 1 : argv0;
    return name && !strcmp(name, "agfs") ? "agfs" : "pfs";
}

/* A socket that is opened where stdout was closed would get our output. Opened
 * the wrong way round, so that using it still is an error. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

/* What was printed has arrived; a reader that has enough is not an error. What
 * went wrong before the last flush left no errno, only the mark. */
static int flushed(const char *name, int status)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return status;
    if (errno == EPIPE || (poll(&out, 1, 0) > 0 && (out.revents & POLLERR)))
        return status;
    say_bare("%s: stdout: %s", name, errno ? strerror(errno) : "not all could be written");
    return status ? status : PFS_FAILED;
}

static int run_command(const struct pfs_options *options)
{
    struct pfs_base base;
    const char *url = options->url ? options->url : PFS_DEFAULT_URL;
    const char *wrong = pfs_base_parse(&base, url);
    if (wrong) {
        say("the server's address \"%s\" %s; for example: http://localhost:8080", url, wrong);
        return PFS_USAGE;
    }
    struct pfs_run run = {.client = client_new(&base, options->timeout_ns),
                          .options = options,
                          .name = options->command->name,
                          .words = options->words,
                          .n = options->n};
    int status = options->command->run(&run);
    client_free(run.client);
    pfs_base_free(&base);
    return flushed(options->command->name, status);
}

static int run(const char *tool, int argc, char **argv)
{
    struct pfs_options options;
    char why[2048];
    int status;

    if (pfs_options_parse(&options, argc, argv, why, sizeof why) < 0) {
        say("%s", why);
        if (options.command)
            say("see %s %s --help", tool, options.command->name);
        else
            say("see %s --help", tool);
        status = PFS_USAGE;
    } else if (options.help) {
        pfs_options_help(options.command, tool, stdout);
        status = flushed(tool, PFS_OK);
    } else if (options.version) {
        printf("%s %s\n", tool, gos_version());
        status = flushed(tool, PFS_OK);
    } else {
        status = run_command(&options);
    }
    pfs_options_free(&options);
    return status;
}

int main(int argc, char **argv)
{
    const char *tool = tool_name(argc > 0 ? argv[0] : NULL);
    fill_standard_descriptors();
    /* Writing to who has gone is an error number like any other. */
    signal(SIGPIPE, SIG_IGN);
    say_init(tool);
    if (argc > 1 && !strcmp(argv[1], "serve"))
        return serve_main(argc - 1, argv + 1);
    return run(tool, argc, argv);
}
