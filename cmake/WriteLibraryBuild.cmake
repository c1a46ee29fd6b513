# cmake -DSOURCE_DIR=DIR -DOPTIONS=TEXT -DOUTPUT=FILE -P WriteLibraryBuild.cmake
# Writes FILE, which defines library_build(): a hash over the files of the attention library and the text.
file(GLOB_RECURSE files RELATIVE ${SOURCE_DIR} ${SOURCE_DIR}/src/core/* ${SOURCE_DIR}/src/engines/* ${SOURCE_DIR}/src/registry/*
     ${SOURCE_DIR}/include/attnbench/*)
list(SORT files)
set(all "${OPTIONS}")
foreach(file IN LISTS files)
  file(SHA256 ${SOURCE_DIR}/${file} hash)
  string(APPEND all "\n${file} ${hash}")
endforeach()
string(SHA256 hash "${all}")
string(SUBSTRING ${hash} 0 16 hash)
file(WRITE ${OUTPUT} "#include \"core/library_build.h\"\n\nnamespace attnbench {\nconst char* library_build() { return \"${hash}\"; }\n}  // namespace attnbench\n")
