#pragma once

#include <dlfcn.h>

namespace attnbench::testing_support {

/// The allocators of AddressSanitizer and ThreadSanitizer end the process where operator new would throw, so
/// memory limits cannot be tested with them.
inline bool under_allocating_sanitizer() {
  return dlsym(RTLD_DEFAULT, "__asan_init") != nullptr || dlsym(RTLD_DEFAULT, "__tsan_init") != nullptr;
}

}  // namespace attnbench::testing_support
