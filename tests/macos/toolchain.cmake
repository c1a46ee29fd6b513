# Cross-builds for macOS 14 on Apple Silicon with the compiler that tests/macos/build.sh lays out in ${root}; its own
# headers and libSystem, and stubs for what Apple's SDK and Homebrew have besides.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_PROCESSOR arm64)
set(root ${CMAKE_CURRENT_LIST_DIR}/../../build/macos)
set(CMAKE_CXX_COMPILER ${root}/bin/c++)
set(CMAKE_AR ${root}/bin/ar CACHE FILEPATH "")
set(CMAKE_RANLIB ${root}/bin/ranlib CACHE FILEPATH "")
# Checks of the compiler need no program, whose first link takes minutes.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
# The compiler knows its system; CMake would look for Apple's SDK.
set(CMAKE_OSX_SYSROOT "" CACHE STRING "")
set(CMAKE_OSX_ARCHITECTURES "" CACHE STRING "")
set(CMAKE_OSX_DEPLOYMENT_TARGET "" CACHE STRING "")
set(CMAKE_SHARED_LIBRARY_RUNTIME_CXX_FLAG "-Wl,-rpath,")  # CMake asks the machine that it runs on for its version
set(CMAKE_FIND_ROOT_PATH ${root}/sysroot)
foreach(kind IN ITEMS LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR}/packages)
# What macOS 14 lacks is an error, unless its absence is asked for.
string(CONCAT CMAKE_CXX_FLAGS_INIT
       "-D_LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS=1 -Wno-macro-redefined -Werror=unguarded-availability-new "
       "-Wno-nullability-completeness -F${CMAKE_CURRENT_LIST_DIR}/stubs")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-F${CMAKE_CURRENT_LIST_DIR}/stubs")
# CMake hands the linker an option and its library apart, which this compiler does not take.
set(CMAKE_CXX_LINK_LIBRARY_USING_WHOLE_ARCHIVE "-Wl,-force_load,<LIB_ITEM>")
set(CMAKE_CXX_LINK_LIBRARY_USING_WHOLE_ARCHIVE_SUPPORTED TRUE)
