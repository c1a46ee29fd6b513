add_library(CLI11::CLI11 INTERFACE IMPORTED)
target_include_directories(CLI11::CLI11 INTERFACE ${root}/sysroot/include)
set(CLI11_FOUND TRUE)
