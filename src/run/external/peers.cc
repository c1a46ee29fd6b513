#include "run/external/peers.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "attnbench/error.h"
#include "run/environment/executable.h"
#include "run/external/load.h"

namespace attnbench {
namespace {

namespace fs = std::filesystem;

/// build/PRESET/attnbench in the source tree, bin/attnbench where it is installed.
fs::path peers_folder() {
  const auto program = fs::path(own_path()).parent_path();
  std::error_code ignored;
  for (const auto* from_program : {"../../peers", "../share/attnbench/peers"}) {
    const auto folder = (program / from_program).lexically_normal();
    if (fs::is_regular_file(folder / "attnbench_peer.py", ignored)) return folder;
  }
  throw InputError("peers", (program / "../../peers").lexically_normal().string(),
                   "is not there, nor is ../share/attnbench/peers: the program was moved without it");
}

}  // namespace

LoadedPeers load_peers(const std::vector<int>& cpus, const std::vector<std::string>& loaded) {
  std::vector<std::string> programs;
  for (const auto& entry : fs::directory_iterator(peers_folder())) {
    const auto file = entry.path().string();
    if (entry.is_regular_file() && access(file.c_str(), X_OK) == 0) programs.push_back(file);
  }
  std::sort(programs.begin(), programs.end());
  LoadedPeers peers;
  for (const auto& file : programs) {
    if (std::find(loaded.begin(), loaded.end(), file) != loaded.end()) continue;
    try {
      load_kernels(file, cpus, false);
      peers.files.push_back(file);
    } catch (const InputError& error) {
      peers.missing.push_back({fs::path(file).stem().string(), error.what()});
    }
  }
  return peers;
}

}  // namespace attnbench
