# Frame pointers and line numbers in every build; -fsanitize=${GOS_SANITIZE} where asked for.

add_compile_options(-fno-omit-frame-pointer -g)
if(GOS_SANITIZE)
    add_compile_options(-fsanitize=${GOS_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${GOS_SANITIZE})
endif()
