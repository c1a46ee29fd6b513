#pragma once

#include <dlfcn.h>

namespace attnbench::testing_support {

/// AddressSanitizer ends the process where operator new would throw, so memory limits cannot be tested with
/// it.
inline bool under_address_sanitizer() { return dlsym(RTLD_DEFAULT, "__asan_init") != nullptr; }

}  // namespace attnbench::testing_support
