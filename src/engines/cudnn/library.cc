#include "engines/cudnn/library.h"

#include <cudnn.h>
#include <cudnn_frontend_version.h>
#include <dlfcn.h>
#include <fmt/format.h>

namespace cudnn_frontend {
/// Where the frontend's headers look for cuDNN's functions; they declare it.
extern void* cudnn_dlhandle;
void* cudnn_dlhandle = nullptr;
}  // namespace cudnn_frontend

namespace attnbench::cudnn {

Library::Library() {
  const auto file = fmt::format("libcudnn.so.{}", CUDNN_MAJOR);
  for (const auto& path : {file, "/usr/local/cuda/lib64/" + file}) {
    cudnn_frontend::cudnn_dlhandle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (cudnn_frontend::cudnn_dlhandle != nullptr) break;
  }
  if (cudnn_frontend::cudnn_dlhandle == nullptr) {
    why_missing = fmt::format("{} is not on this machine", file);
    return;
  }
  const auto get_version =
      reinterpret_cast<decltype(&cudnnGetVersion)>(dlsym(cudnn_frontend::cudnn_dlhandle, "cudnnGetVersion"));
  if (get_version == nullptr) {
    why_missing = fmt::format("{} lacks cudnnGetVersion", file);
    return;
  }
  const auto number = get_version();
  version = fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

const Library& library() {
  static const Library loaded;
  return loaded;
}

std::map<std::string, std::string> libraries() {
  const auto& cudnn = library();
  return {{"cudnn", cudnn.why_missing.empty() ? cudnn.version : cudnn.why_missing},
          {"cudnn_frontend", fmt::format("{}.{}.{}", CUDNN_FRONTEND_MAJOR_VERSION,
                                         CUDNN_FRONTEND_MINOR_VERSION, CUDNN_FRONTEND_PATCH_VERSION)}};
}

}  // namespace attnbench::cudnn
