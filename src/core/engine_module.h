#pragma once

#include <string>

namespace attnbench {

/// The shared object libattnbench_<engine>.so, which holds an engine's code and alone is linked to what that
/// needs. It is found beside the program (by the program's RUNPATH) or on LD_LIBRARY_PATH.
struct EngineModule {
  void* entry = nullptr;  ///< attnbench_<engine>_backend
  std::string problem;    ///< why there is none, without a path
};
EngineModule load_engine_module(const std::string& engine);

/// 16 hex digits over the file that holds the address: a module may change where the program does not.
std::string hash_of_module(const void* entry);

}  // namespace attnbench
