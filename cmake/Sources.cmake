# Sources are globbed: a file belongs to the target of its folder.

# gos_sources(out folder... [EXCEPT name...]): the .c and .cpp files of some folders.
function(gos_sources out)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "EXCEPT")
    set(found "")
    foreach(folder IN LISTS arg_UNPARSED_ARGUMENTS)
        file(GLOB files CONFIGURE_DEPENDS ${folder}/*.c ${folder}/*.cpp)
        foreach(file IN LISTS files)
            get_filename_component(name ${file} NAME)
            if(NOT name IN_LIST arg_EXCEPT)
                list(APPEND found ${file})
            endif()
        endforeach()
    endforeach()
    set(${out} ${found} PARENT_SCOPE)
endfunction()
