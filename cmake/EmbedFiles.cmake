# attnbench_embed_files(OUTPUT FILE SYMBOL name FILES ...)
# Writes FILE defining `const std::map<std::string, std::string>& name()`: file stem -> contents, so that the
# program finds its data from any working directory.
function(attnbench_embed_files)
  cmake_parse_arguments(ARG "" "OUTPUT;SYMBOL" "FILES" ${ARGN})
  set(entries "")
  foreach(file IN LISTS ARG_FILES)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(stem ${file} NAME_WE)
    file(READ ${file} contents)
    string(APPEND entries "      {\"${stem}\", R\"embedded(${contents})embedded\"},\n")
  endforeach()
  set(symbol ${ARG_SYMBOL})
  file(CONFIGURE OUTPUT ${ARG_OUTPUT} @ONLY CONTENT [=[
#include <map>
#include <string>

namespace attnbench {
const std::map<std::string, std::string>& @symbol@();
const std::map<std::string, std::string>& @symbol@() {
  static const std::map<std::string, std::string> files = {
@entries@  };
  return files;
}
}  // namespace attnbench
]=])
endfunction()
