# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What quickstart and check share: words, Debian packages, /dev/fuse, building.

export LC_ALL=C.UTF-8

# Debian 12's names. Each script installs those that it needs.
# shellcheck disable=SC2034 # used by the scripts that read this file
{
    packages_build=(gcc g++ cmake ninja-build pkg-config libtorrent-rasterbar-dev libssl-dev libfuse3-dev
        libcmocka-dev libjson-c-dev libcurl4-openssl-dev libtomlplusplus-dev libxxhash-dev libre2-dev
        python3 fuse3)
    packages_film=(aria2 ffmpeg)
    packages_check=(clang clang-format pmccabe mandoc shellcheck binutils transmission-daemon iproute2 curl)
    packages_cross=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
}

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    say "$@"
    exit 1
}

# missing_packages NAME...: those that are not installed.
missing_packages() {
    local name
    for name in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
            printf '%s\n' "$name"
    done
}

# install_packages NAME...: by apt, saying what; as root, or with sudo where we are not.
install_packages() {
    local missing as_root=()
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here; install what Debian calls: $*"
        return
    fi
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    local install=(apt-get install -y --no-install-recommends "${missing[@]}")
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "missing packages; as root, type: ${install[*]}"
        as_root=(sudo)
    fi
    say "installing Debian packages: ${missing[*]}"
    mkdir -p build
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >build/packages.log 2>&1 ||
        say "apt-get update did not work; going on with the lists that are there"
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" >>build/packages.log 2>&1; then
        tail -n 20 build/packages.log >&2
        die "apt-get could not install them; all it said is in build/packages.log"
    fi
    # Its package starts a service; the tests start their own and nobody asked for one.
    if [[ " ${missing[*]} " == *" transmission-daemon "* ]] && [ -d /run/systemd/system ]; then
        say "switching off the service that came with transmission-daemon"
        "${as_root[@]}" systemctl disable --now --quiet transmission-daemon.service || true
    fi
}

# fusermount3 unmounts for ordinary users by what /etc/mtab says. Every Debian that
# was booted has it; a bare one in a container may not.
install_mtab() {
    [ ! -e /etc/mtab ] || return 0
    local link=(ln -s ../proc/self/mounts /etc/mtab)
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "fusermount3 needs /etc/mtab; as root, type: ${link[*]}"
        link=(sudo "${link[@]}")
    fi
    say "linking /etc/mtab to /proc/self/mounts, for fusermount3"
    "${link[@]}"
}

# fuse_problem: what is wrong with /dev/fuse and what to change; nothing if it is usable.
fuse_problem() {
    if [ ! -e /dev/fuse ]; then
        echo "/dev/fuse is missing. On a machine of your own: sudo modprobe fuse." \
            "In a container: start it with --device /dev/fuse --cap-add SYS_ADMIN" \
            "(docker also wants --security-opt apparmor=unconfined)."
    elif ! (: <>/dev/fuse) 2>/dev/null; then
        if [ -r /dev/fuse ] && [ -w /dev/fuse ]; then
            echo "/dev/fuse is there and cannot be opened. In a container: start it with" \
                "--device /dev/fuse. On a machine of your own: sudo modprobe fuse."
        else
            echo "/dev/fuse may not be opened by $(id -un). Type: sudo chmod 666 /dev/fuse" \
                "(Debian's default; udev sets it at boot), or run this as root."
        fi
    fi
}

# configure_and_build PRESET [TARGET...]
configure_and_build() {
    local preset=$1 launcher=() targets=()
    shift
    [ $# -eq 0 ] || targets=(--target "$@")
    if command -v ccache >/dev/null; then
        launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    fi
    say "building build/$preset"
    mkdir -p build
    if ! { cmake --preset "$preset" "${launcher[@]}" &&
        cmake --build "build/$preset" "${targets[@]}"; } >"build/$preset.log" 2>&1; then
        tail -n 40 "build/$preset.log" >&2
        die "the build does not work; all of its output is in build/$preset.log"
    fi
}
