# cmake -DSOURCE_DIR=DIR -DOUTPUT=FILE -P WriteCommit.cmake
# Writes FILE, which defines built_commit(): the commit that the tree at DIR is of, with "-dirty" where a file that goes
# into the program is not as committed, or "unknown" where DIR is not the top of a git work tree. Leaves FILE alone where
# that has not changed. Run at every build: what git says when CMake configures is soon out of date.
find_program(GIT git)
set(commit "unknown")
if(GIT)
  set(git ${CMAKE_COMMAND} -E env GIT_OPTIONAL_LOCKS=0 ${GIT} -c safe.directory=${SOURCE_DIR} -C ${SOURCE_DIR})
  execute_process(COMMAND ${git} rev-parse --show-toplevel OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND ${git} rev-parse --short=12 --verify HEAD
                  OUTPUT_VARIABLE head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  file(REAL_PATH ${SOURCE_DIR} source)
  # A tarball unpacked inside another project is not of that project's commit.
  if(NOT failed AND top STREQUAL source)
    execute_process(COMMAND ${git} status --porcelain -- src include apps cmake CMakeLists.txt studies claims report
                    OUTPUT_VARIABLE changes RESULT_VARIABLE failed ERROR_QUIET)
    if(NOT failed)
      set(commit ${head})
      if(NOT changes STREQUAL "")
        string(APPEND commit "-dirty")
      endif()
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [=[
namespace attnbench {
const char* built_commit();
const char* built_commit() { return "@commit@"; }
}  // namespace attnbench
]=])
