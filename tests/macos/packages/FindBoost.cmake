add_library(Boost::boost INTERFACE IMPORTED)
target_include_directories(Boost::boost INTERFACE ${root}/sysroot/include)
set(Boost_FOUND TRUE)
