#pragma once

#include <string>
#include <vector>

#include "attnbench/registry.h"

namespace attnbench {

/// What of the engines that come with the program could be loaded.
struct LoadedPeers {
  std::vector<std::string> files;      ///< absolute paths of those that are; for workers, `--plugin`
  std::vector<MissingEngine> missing;  ///< the others, by their file's name without its ending
};

/// Loads (load_kernels()) every program of the folder `peers` that belongs to this program: of the source
/// tree that it was built in, or of its installation. Those in `loaded` are there already. One that cannot be
/// loaded costs nobody else anything. Throws InputError("peers", ...) where there is no such folder.
LoadedPeers load_peers(const std::vector<int>& cpus, const std::vector<std::string>& loaded);

}  // namespace attnbench
