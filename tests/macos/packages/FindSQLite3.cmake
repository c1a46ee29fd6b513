# macOS has the library, its SDK the header.
add_library(SQLite::SQLite3 INTERFACE IMPORTED)
target_include_directories(SQLite::SQLite3 INTERFACE ${root}/sysroot/include)
target_link_libraries(SQLite::SQLite3 INTERFACE ${root}/sysroot/lib/libsqlite3.tbd)
set(SQLite3_FOUND TRUE)
