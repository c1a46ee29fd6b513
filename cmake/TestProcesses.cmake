# attnbench_test_processes(<target> LABEL <label> SHARDS <n> [TOGETHER <name>=<filter> ...]
#                          [PROPERTIES <property> <value> ...])
# Adds the tests of a GoogleTest executable to ctest in a few processes rather than one a test: those of each
# TOGETHER in one, since they share what they compute, and all others dealt out to <n>. Filters name tests in
# GoogleTest's language. A test's name stands in the output when it fails, and last when the process dies of it.
# ATTNBENCH_TESTS_LEFT_OUT are not run.
function(attnbench_test_processes target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL;SHARDS" "TOGETHER;PROPERTIES")
  set(others "${ATTNBENCH_TESTS_LEFT_OUT}")
  set(processes "")
  foreach(group IN LISTS arg_TOGETHER)
    string(REGEX MATCH "^([^=]+)=(.+)$" _ "${group}")
    add_test(NAME ${arg_LABEL}.${CMAKE_MATCH_1} COMMAND ${target} "--gtest_filter=${CMAKE_MATCH_2}-${ATTNBENCH_TESTS_LEFT_OUT}")
    list(APPEND processes ${arg_LABEL}.${CMAKE_MATCH_1})
    string(APPEND others ":${CMAKE_MATCH_2}")
  endforeach()
  math(EXPR last "${arg_SHARDS} - 1")
  foreach(shard RANGE ${last})
    add_test(NAME ${arg_LABEL}.${shard}
             COMMAND ${CMAKE_COMMAND} -E env GTEST_TOTAL_SHARDS=${arg_SHARDS} GTEST_SHARD_INDEX=${shard}
                     $<TARGET_FILE:${target}> "--gtest_filter=-${others}")
    list(APPEND processes ${arg_LABEL}.${shard})
  endforeach()
  set_tests_properties(${processes} PROPERTIES LABELS ${arg_LABEL} ${arg_PROPERTIES})
endfunction()
