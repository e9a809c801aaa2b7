# One list of warnings for gcc and clang. `gos_warnings(target)` applies it.

set(gos_warnings_all
    -Wall -Wextra -Wpointer-arith -Wwrite-strings -Wvla -Wundef
    -Wformat=2 -Wimplicit-fallthrough -Wcast-align)
set(gos_warnings_c
    -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition)
# libtorrent's and boost's headers are system headers (-isystem), so these see only our C++.
set(gos_warnings_cxx -Wnon-virtual-dtor -Woverloaded-virtual)

function(gos_warnings target)
    target_compile_options(${target} PRIVATE
        ${gos_warnings_all}
        "$<$<COMPILE_LANGUAGE:C>:${gos_warnings_c}>"
        "$<$<COMPILE_LANGUAGE:CXX>:${gos_warnings_cxx}>"
        $<$<COMPILE_LANG_AND_ID:C,Clang>:-Wthread-safety>
        $<$<BOOL:${GOS_WERROR}>:-Werror>)
endfunction()
