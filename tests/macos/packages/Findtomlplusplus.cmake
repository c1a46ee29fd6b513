add_library(tomlplusplus::tomlplusplus INTERFACE IMPORTED)
target_include_directories(tomlplusplus::tomlplusplus INTERFACE ${root}/sysroot/include)
set(tomlplusplus_FOUND TRUE)
