# cmake --install BUILD --component attention: headers, library and the package `attnbench`, whose target is
# attnbench::attention. tests/install builds a program against it.
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/attnbench)
install(TARGETS attnbench_attention EXPORT attnbench_attention
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT attention)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/attnbench DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT attention
        FILES_MATCHING PATTERN "*.h")
install(EXPORT attnbench_attention FILE attnbench-attention.cmake NAMESPACE attnbench:: DESTINATION ${package_folder}
        COMPONENT attention)

set(packages fmt Threads ${attnbench_engine_packages})
if(ATTNBENCH_THREADS_USED STREQUAL "openmp")
  list(APPEND packages OpenMP)
endif()
set(dependencies "include(CMakeFindDependencyMacro)\n")
foreach(package IN LISTS packages)
  string(APPEND dependencies "find_dependency(${package})\n")
endforeach()
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/generated/attnbench-config.cmake
     "${dependencies}include(\${CMAKE_CURRENT_LIST_DIR}/attnbench-attention.cmake)\n")
# Version 0: an interface may change with each minor version.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/generated/attnbench-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/generated/attnbench-config.cmake
        ${CMAKE_CURRENT_BINARY_DIR}/generated/attnbench-config-version.cmake
        DESTINATION ${package_folder} COMPONENT attention)
