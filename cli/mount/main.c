/* SPDX-License-Identifier: MIT
 *
 * gostream-mount: files of torrents as ordinary files. Options, and how the
 * process ends: 0 done, 1 failed, 2 wrong use, or by the signal that came
 * before anything was mounted. */
#include <stdio.h>

#include <gostream.h>

#include "common/say.h"
#include "mount/ending.h"
#include "mount/options.h"
#include "mount/run.h"
#include "mount/startup.h"

static int flushed(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options;
    char why[2048];
    int status;

    say_init("gostream-mount");
    if (options_parse(&options, argc, argv, why, sizeof why) < 0) {
        say("%s", why);
        say("see gostream-mount --help");
        options_free(&options);
        return 2;
    }
    if (options.help) {
        options_help(stdout);
        status = flushed();
    } else if (options.version) {
        printf("gostream-mount %s\n", gos_version());
        status = flushed();
    } else {
        startup();
        status = ending_finish(run(&options));
    }
    options_free(&options);
    return status;
}
