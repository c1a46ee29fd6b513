# cmake --install BUILD --component library: headers, libattnbench.so, attnbench.pc, and the package `attnbench` with its
# target attnbench::attnbench. The package's component `attention` is attnbench::attention, the kernels alone as a static
# library, whose users must find what it is linked to. tests/install builds programs against both.
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/attnbench)
set(generated ${CMAKE_CURRENT_BINARY_DIR}/generated)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/attnbench DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library
        FILES_MATCHING PATTERN "*.h")
foreach(part IN ITEMS shared attention)
  install(TARGETS attnbench_${part} EXPORT attnbench_${part} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
  install(EXPORT attnbench_${part} FILE attnbench-${part}.cmake NAMESPACE attnbench:: DESTINATION ${package_folder}
          COMPONENT library)
endforeach()

set(packages fmt Threads ${attnbench_engine_packages})
if(ATTNBENCH_THREADS_USED STREQUAL "openmp")
  list(APPEND packages OpenMP)
endif()
set(dependencies "")
foreach(package IN LISTS packages)
  string(APPEND dependencies "  find_dependency(${package})\n")
endforeach()
file(WRITE ${generated}/attnbench-config.cmake
     "include(\${CMAKE_CURRENT_LIST_DIR}/attnbench-shared.cmake)
if(\"attention\" IN_LIST attnbench_FIND_COMPONENTS)
  include(CMakeFindDependencyMacro)
${dependencies}  include(\${CMAKE_CURRENT_LIST_DIR}/attnbench-attention.cmake)
endif()
")
# Version 0: an interface may change with each minor version.
write_basic_package_version_file(${generated}/attnbench-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${generated}/attnbench-config.cmake ${generated}/attnbench-config-version.cmake
        DESTINATION ${package_folder} COMPONENT library)

# Found from the file itself, so that an installation may be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX} OUTPUT_VARIABLE libdir)
string(REGEX REPLACE "[^/]+" ".." prefix_of_pc "${libdir}/pkgconfig")
file(WRITE ${generated}/attnbench.pc
     "prefix=\${pcfiledir}/${prefix_of_pc}
Name: attnbench
Description: Attention on the CPU kernel that suits the problem
Version: ${PROJECT_VERSION}
Cflags: -I\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}
Libs: -L\${prefix}/${CMAKE_INSTALL_LIBDIR} -lattnbench
")
install(FILES ${generated}/attnbench.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
