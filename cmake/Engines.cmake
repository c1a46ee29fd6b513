# An engine is a folder of src/engines. Its CMakeLists.txt either calls
#   attnbench_engine(NAME SOURCES ... DEVICE_SOURCES ... LINKS ... PACKAGES ... MODULES ...)
# with DEVICE_SOURCES for nvcc, PACKAGES that users of the installed library must find too and MODULES, targets of shared
# objects that the engine loads itself when it is used, or says why this build lacks it:
#   attnbench_missing_engine(NAME "reason")
# A folder leaves out files that match ${foreign_file} (another machine's, another system's), and finds its packages with GLOBAL.
function(attnbench_engine name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEVICE_SOURCES;LINKS;PACKAGES;MODULES" ${ARGN})
  foreach(kind IN ITEMS SOURCES DEVICE_SOURCES LINKS PACKAGES MODULES)
    set_property(GLOBAL APPEND PROPERTY ATTNBENCH_ENGINE_${kind} ${ARG_${kind}})
  endforeach()
endfunction()

function(attnbench_missing_engine name reason)
  if(reason MATCHES ";")  # the property below is a list
    message(FATAL_ERROR "The reason why engine ${name} is missing may hold no semicolon: ${reason}")
  endif()
  set_property(GLOBAL APPEND PROPERTY ATTNBENCH_MISSING_ENGINES "${name}|${reason}")
endfunction()

# attnbench_find_engines(FOLDER): goes through the engines in FOLDER by their names. Sets attnbench_engine_sources,
# attnbench_engine_device_sources, attnbench_engine_links, attnbench_engine_packages and attnbench_engine_modules.
function(attnbench_find_engines folder)
  file(GLOB engines CONFIGURE_DEPENDS ${folder}/*/CMakeLists.txt)
  list(SORT engines)
  foreach(engine IN LISTS engines)
    get_filename_component(engine ${engine} DIRECTORY)
    get_filename_component(name ${engine} NAME)
    add_subdirectory(${engine} ${CMAKE_CURRENT_BINARY_DIR}/engines/${name})
  endforeach()
  foreach(kind IN ITEMS sources device_sources links packages modules)
    string(TOUPPER ${kind} property)
    get_property(found GLOBAL PROPERTY ATTNBENCH_ENGINE_${property})
    set(attnbench_engine_${kind} ${found} PARENT_SCOPE)
  endforeach()
endfunction()

# attnbench_device_objects(VARIABLE): objects that nvcc makes of the device sources. Commands, not CMake's language CUDA:
# that would have every program that links the library link as CUDA does, with other options and another compiler.
function(attnbench_device_objects variable)
  set(objects "")
  foreach(source IN LISTS attnbench_engine_device_sources)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/src OUTPUT_VARIABLE name)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/device/${name}.o)
    cmake_path(GET object PARENT_PATH folder)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(OUTPUT ${object} DEPENDS ${source} DEPFILE ${object}.d
                       COMMAND ${CUDAToolkit_NVCC_EXECUTABLE} -std=c++20 -O3 -gencode arch=compute_90a,code=sm_90a
                               -Xcompiler -fvisibility=hidden,-fPIC,-Wall -Werror all-warnings
                               -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/src
                               -MD -MF ${object}.d -c ${source} -o ${object}
                       COMMENT "Compiling ${name} for the GPU" VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(${variable} ${objects} PARENT_SCOPE)
endfunction()

# attnbench_generate_registry(FILE): writes FILE with the list of every kernel that a source of an engine registers with
# ATTNBENCH_REGISTER_KERNEL(name), in the order of the sources, the devices of ATTNBENCH_REGISTER_DEVICES(name), the
# libraries of ATTNBENCH_REGISTER_LIBRARIES(name), and the engines that are missing.
function(attnbench_generate_registry output)
  set(declarations "")
  set(entries "")
  set(devices "")
  set(libraries "")
  foreach(source IN LISTS attnbench_engine_sources)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(STRINGS ${source} lines REGEX "^ATTNBENCH_REGISTER_KERNEL\\([a-z0-9_]+\\)")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^ATTNBENCH_REGISTER_KERNEL\\(([a-z0-9_]+)\\).*" "\\1" kernel "${line}")
      string(APPEND declarations "const KernelInfo& ${kernel}();\n")
      string(APPEND entries "      &registered::${kernel}(),\n")
    endforeach()
    file(STRINGS ${source} lines REGEX "^ATTNBENCH_REGISTER_DEVICES\\([a-z0-9_]+\\)")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^ATTNBENCH_REGISTER_DEVICES\\(([a-z0-9_]+)\\).*" "\\1" provider "${line}")
      string(APPEND declarations "const DeviceProvider& ${provider}();\n")
      string(APPEND devices "      &registered::${provider}(),\n")
    endforeach()
    file(STRINGS ${source} lines REGEX "^ATTNBENCH_REGISTER_LIBRARIES\\([a-z0-9_]+\\)")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^ATTNBENCH_REGISTER_LIBRARIES\\(([a-z0-9_]+)\\).*" "\\1" function "${line}")
      string(APPEND declarations "std::map<std::string, std::string> ${function}();\n")
      string(APPEND libraries "  all.merge(registered::${function}());\n")
    endforeach()
  endforeach()
  set(missing "")
  get_property(missing_engines GLOBAL PROPERTY ATTNBENCH_MISSING_ENGINES)
  foreach(engine IN LISTS missing_engines)
    string(REGEX MATCH "^([^|]*)\\|(.*)$" engine "${engine}")
    string(APPEND missing "      {R\"(${CMAKE_MATCH_1})\", R\"(${CMAKE_MATCH_2})\"},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT [=[
#include "registry/builtin.h"

namespace attnbench {
namespace registered {
@declarations@}  // namespace registered

std::vector<const KernelInfo*> builtin_kernels() {
  return {
@entries@  };
}

std::vector<const DeviceProvider*> builtin_devices() {
  return {
@devices@  };
}

std::map<std::string, std::string> builtin_libraries() {
  std::map<std::string, std::string> all;
@libraries@  return all;
}

std::vector<MissingEngine> builtin_missing_engines() {
  return {
@missing@  };
}

}  // namespace attnbench
]=])
endfunction()
