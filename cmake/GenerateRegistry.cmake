# attnbench_generate_registry(OUTPUT FILE SOURCES ... MISSING "engine|reason" ...)
# Writes FILE with the list of every kernel that a source registers with ATTNBENCH_REGISTER_KERNEL(name), in
# the order of the sources, the devices of ATTNBENCH_REGISTER_DEVICES(name), and the engines that were not built.
function(attnbench_generate_registry)
  cmake_parse_arguments(ARG "" "OUTPUT" "SOURCES;MISSING" ${ARGN})
  set(declarations "")
  set(entries "")
  set(devices "")
  foreach(source IN LISTS ARG_SOURCES)
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
  foreach(engine IN LISTS ARG_MISSING)
    string(REPLACE "|" ";" parts "${engine}")
    list(GET parts 0 engine_name)
    list(GET parts 1 reason)
    string(APPEND missing "      {\"${engine_name}\", \"${reason}\"},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${ARG_OUTPUT} @ONLY CONTENT [=[
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
