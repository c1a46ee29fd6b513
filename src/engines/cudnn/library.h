#pragma once

#include <map>
#include <string>

namespace attnbench::cudnn {

/// cuDNN, loaded when first asked for. A machine may have several, of the system and of wheels: the first
/// that the loader finds (LD_LIBRARY_PATH, then the system's folders), else that of the CUDA toolkit.
struct Library {
  Library();

  /// Why it cannot be used; empty where it can.
  std::string why_missing;
  /// Of the one that was loaded: "9.14.0".
  std::string version;
};

const Library& library();
/// Versions for the environment of a run.
std::map<std::string, std::string> libraries();

}  // namespace attnbench::cudnn
