# gos_add_test(name LABELS label... [TIMEOUT seconds] [SERIAL] [ENVIRONMENT var=value...]
#              COMMAND ...)
# Every test has labels, a time-out, and may skip itself with status 77.

function(gos_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL" "TIMEOUT" "LABELS;COMMAND;ENVIRONMENT")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    set(patience 1)
    if(GOS_SANITIZE)
        set(patience 4)
        math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * ${patience}")
    endif()
    add_test(NAME ${name} COMMAND ${arg_COMMAND})
    set_tests_properties(${name} PROPERTIES
        LABELS "${arg_LABELS}"
        TIMEOUT ${arg_TIMEOUT}
        SKIP_RETURN_CODE 77
        ENVIRONMENT "GOS_SOURCE_DIR=${PROJECT_SOURCE_DIR};GOS_BUILD_DIR=${PROJECT_BINARY_DIR};GOS_TEST_PATIENCE=${patience};PYTHONDONTWRITEBYTECODE=1;${arg_ENVIRONMENT}")
    if(arg_SERIAL)
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()
