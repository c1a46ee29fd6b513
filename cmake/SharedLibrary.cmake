# libattnbench.so: the attention library, the dispatcher and the C interface, for C++ and C. What it exports is what the
# public headers declare; a minor version of 0 may change that, and names the file that programs load.
foreach(library IN ITEMS attention io dispatch)
  set_target_properties(attnbench_${library} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # clang's default: functions that are exported are inlined all the same
    target_compile_options(attnbench_${library} PRIVATE -fno-semantic-interposition)
  endif()
endforeach()

# What runs before all constructors of a program cannot in a library.
set(exports ${PROJECT_SOURCE_DIR}/cmake/exports.map)
add_library(attnbench_shared SHARED $<TARGET_OBJECTS:attnbench_dispatch>
            $<FILTER:$<TARGET_OBJECTS:attnbench_attention>,EXCLUDE,start_cpus_linux>)
add_library(attnbench::attnbench ALIAS attnbench_shared)
if(NOT APPLE)
  set_source_files_properties(src/core/start_cpus_linux.cc PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_sources(attnbench_shared PRIVATE src/core/start_cpus_linux.cc)
  target_compile_definitions(attnbench_shared PRIVATE ATTNBENCH_START_SECTION=".init_array")
endif()
set_target_properties(attnbench_shared PROPERTIES
                      OUTPUT_NAME attnbench EXPORT_NAME attnbench LINKER_LANGUAGE CXX
                      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
                      INSTALL_RPATH "$ORIGIN/attnbench" LINK_DEPENDS ${exports})
target_compile_definitions(attnbench_dispatch PRIVATE ATTNBENCH_VERSION="${PROJECT_VERSION}")
target_compile_features(attnbench_shared INTERFACE cxx_std_20)
target_include_directories(attnbench_shared PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(attnbench_shared PRIVATE $<BUILD_INTERFACE:attnbench_dispatch> $<BUILD_INTERFACE:attnbench_options>)
if(NOT APPLE)  # whose linker reads no such file
  target_link_options(attnbench_shared PRIVATE -Wl,--version-script=${exports})
endif()
