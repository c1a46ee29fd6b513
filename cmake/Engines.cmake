# An engine is a folder of src/engines. Its CMakeLists.txt either calls
#   attnbench_engine(NAME SOURCES ... LINKS ... PACKAGES ...)
# with PACKAGES that users of the installed library must find too, or says why this build lacks it:
#   attnbench_missing_engine(NAME "reason")
# A folder leaves out files that match ${foreign_file} (another machine's, another system's), and finds its packages with GLOBAL.
function(attnbench_engine name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PACKAGES" ${ARGN})
  foreach(kind IN ITEMS SOURCES LINKS PACKAGES)
    set_property(GLOBAL APPEND PROPERTY ATTNBENCH_ENGINE_${kind} ${ARG_${kind}})
  endforeach()
endfunction()

function(attnbench_missing_engine name reason)
  set_property(GLOBAL APPEND PROPERTY ATTNBENCH_MISSING_ENGINES "${name}|${reason}")
endfunction()

# attnbench_find_engines(FOLDER): goes through the engines in FOLDER by their names. Sets attnbench_engine_sources,
# attnbench_engine_links and attnbench_engine_packages.
function(attnbench_find_engines folder)
  file(GLOB engines CONFIGURE_DEPENDS ${folder}/*/CMakeLists.txt)
  list(SORT engines)
  foreach(engine IN LISTS engines)
    get_filename_component(engine ${engine} DIRECTORY)
    get_filename_component(name ${engine} NAME)
    add_subdirectory(${engine} ${CMAKE_CURRENT_BINARY_DIR}/engines/${name})
  endforeach()
  foreach(kind IN ITEMS sources links packages)
    string(TOUPPER ${kind} property)
    get_property(found GLOBAL PROPERTY ATTNBENCH_ENGINE_${property})
    set(attnbench_engine_${kind} ${found} PARENT_SCOPE)
  endforeach()
endfunction()

# attnbench_generate_registry(FILE): writes FILE with the list of every kernel that a source of an engine registers with
# ATTNBENCH_REGISTER_KERNEL(name), in the order of the sources, the devices of ATTNBENCH_REGISTER_DEVICES(name), and the
# engines that are missing.
function(attnbench_generate_registry output)
  set(declarations "")
  set(entries "")
  set(devices "")
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

std::vector<MissingEngine> builtin_missing_engines() {
  return {
@missing@  };
}

}  // namespace attnbench
]=])
endfunction()
