# From Debian's sources of the library, compiled for the Mac.
set(googletest /usr/src/googletest)
add_library(gmock STATIC EXCLUDE_FROM_ALL ${googletest}/googletest/src/gtest-all.cc ${googletest}/googlemock/src/gmock-all.cc)
target_include_directories(gmock SYSTEM PUBLIC ${googletest}/googletest/include ${googletest}/googlemock/include
                           PRIVATE ${googletest}/googletest ${googletest}/googlemock)
set_target_properties(gmock PROPERTIES UNITY_BUILD OFF)
add_library(GTest::gmock ALIAS gmock)
set(GTest_FOUND TRUE)
