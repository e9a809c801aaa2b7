# What the build takes from the system, all by pkg-config.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3)
pkg_check_modules(FUSE REQUIRED IMPORTED_TARGET fuse3>=3.14)
pkg_check_modules(JSON REQUIRED IMPORTED_TARGET json-c>=0.16)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)
pkg_check_modules(TOML REQUIRED IMPORTED_TARGET tomlplusplus>=3.3)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash>=0.8)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2) # Debian 12: 20220601; its .pc says 0.0.0
if(GOS_LIBTORRENT)
    pkg_check_modules(LIBTORRENT REQUIRED IMPORTED_TARGET libtorrent-rasterbar>=2.0.8)
endif()
