#include "attnbench/registry.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "attnbench/error.h"
#include "attnbench/plugin.h"
#include "core/kernel_name.h"
#include "registry/add_kernels.h"
#include "registry/builtin.h"
#include "registry/c_plugin.h"

namespace attnbench {
namespace {

std::vector<const KernelInfo*>& registered_kernels() {
  static std::vector<const KernelInfo*> all = builtin_kernels();
  return all;
}

/// Whether an id may mean either.
bool same_name(const KernelInfo& a, const KernelInfo& b) {
  const auto kinds = a.mechanisms();
  return a.kernel() == b.kernel() && a.engine() == b.engine() && a.path() == b.path() &&
         std::any_of(kinds.begin(), kinds.end(), [&](MechanismKind kind) { return computes(b, kind); });
}

std::vector<const DeviceProvider*>& device_providers() {
  static std::vector<const DeviceProvider*> all = builtin_devices();
  return all;
}

/// Why the engine before the colon offers no device; empty where that is not known.
std::string why_no_device(std::string_view name) {
  const auto engine = std::string(name.substr(0, name.find(':')));
  for (const auto& why : missing_devices()) {
    if (why.starts_with(engine + ":")) return fmt::format(" ({})", why);
  }
  for (const auto& missing : missing_engines()) {
    if (missing.name == engine) return fmt::format(" (engine {} is not built: {})", engine, missing.reason);
  }
  return {};
}

}  // namespace

std::vector<std::string> device_names() {
  std::vector<std::string> all = {"cpu"};
  for (const auto* provider : device_providers()) {
    const auto names = provider->names();
    all.insert(all.end(), names.begin(), names.end());
  }
  return all;
}

std::vector<std::string> missing_devices() {
  std::vector<std::string> all;
  for (const auto* provider : device_providers()) {
    if (const auto why = provider->why_none(); !why.empty()) all.push_back(why);
  }
  return all;
}

std::unique_ptr<Device> open_device(std::string_view name, const CpuDevice& host) {
  if (name == "cpu") return std::make_unique<CpuDevice>(host);
  for (const auto* provider : device_providers()) {
    const auto names = provider->names();
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    auto device = provider->open(name);
    if (device == nullptr) throw InputError("device", name, "could not be opened: its engine gave none");
    if (device->name() != name)
      throw InputError("device", name, fmt::format("calls itself '{}' when it is opened", device->name()));
    return device;
  }
  throw InputError(
      "device", name,
      fmt::format("is not here; there is {}{}", fmt::join(device_names(), ", "), why_no_device(name)));
}

const std::vector<const KernelInfo*>& kernels() { return registered_kernels(); }

std::map<std::string, std::string> engine_libraries() { return builtin_libraries(); }

const std::vector<MissingEngine>& missing_engines() {
  static const std::vector<MissingEngine> missing = builtin_missing_engines();
  return missing;
}

namespace {

/// A part of a kernel's id: no character of it may separate two.
void require_name(const std::string& file, std::string_view part, std::string_view name) {
  const auto good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(), good)) {
    throw InputError(
        "plugin", file,
        fmt::format("has the {} '{}', which is no name: small letters, digits and _", part, name));
  }
}

}  // namespace

void add_kernels(const std::vector<const KernelInfo*>& more, const std::string& file) {
  auto all = registered_kernels();
  for (const auto* kernel : more) {
    for (const auto& [part, name] : {std::pair("kernel", kernel->kernel()), {"engine", kernel->engine()}})
      require_name(file, part, name);
    if (!kernel->path().empty()) require_name(file, "path", kernel->path());
    const auto same = [&](const KernelInfo* other) { return same_name(*kernel, *other); };
    if (std::any_of(all.begin(), all.end(), same)) {
      throw InputError("plugin", file,
                       fmt::format("has a kernel {}, and there is one of that name already",
                                   implementation_name(kernel->kernel(), kernel->engine(), kernel->path())));
    }
    all.push_back(kernel);
  }
  registered_kernels() = std::move(all);
}

void load_plugin(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw InputError("plugin", path, fmt::format("cannot be loaded: {}", dlerror()));
  if (load_c_plugin(library, path)) return;
  const auto abi = reinterpret_cast<decltype(&attnbench_plugin_abi)>(dlsym(library, "attnbench_plugin_abi"));
  const auto list =
      reinterpret_cast<decltype(&attnbench_plugin_kernels)>(dlsym(library, "attnbench_plugin_kernels"));
  if (abi == nullptr || list == nullptr) {
    throw InputError(
        "plugin", path,
        "defines neither attnbench_plugin_abi and attnbench_plugin_kernels nor attnbench_c_plugin_version");
  }
  if (abi() != kPluginAbi) {
    throw InputError("plugin", path, fmt::format("has ABI {}, this program {}", abi(), kPluginAbi));
  }
  std::vector<const KernelInfo*> more;
  const auto* const* kernels = list();
  if (kernels == nullptr || *kernels == nullptr) throw InputError("plugin", path, "lists no kernels");
  for (auto kernel = kernels; *kernel != nullptr; ++kernel) more.push_back(*kernel);
  add_kernels(more, path);
  const auto devices =
      reinterpret_cast<decltype(&attnbench_plugin_devices)>(dlsym(library, "attnbench_plugin_devices"));
  if (devices == nullptr) return;
  auto known = device_names();
  for (const auto& name : devices()->names()) {
    if (std::find(known.begin(), known.end(), name) != known.end())
      throw InputError("plugin", path,
                       fmt::format("has a device {}, and there is one of that name already", name));
    known.push_back(name);
  }
  device_providers().push_back(devices());
}

KernelId parse_kernel_id(std::string_view text) {
  const auto slash = text.find('/');
  const auto at = text.find('@', slash == std::string_view::npos ? 0 : slash);
  if (slash == std::string_view::npos || at == std::string_view::npos) {
    throw InputError("kernel", text, "is not of the form mechanism(params)/kernel@engine[:path]");
  }
  KernelId id{
      parse_mechanism(text.substr(0, slash)), std::string(text.substr(slash + 1, at - slash - 1)), {}, {}};
  const auto engine_and_path = text.substr(at + 1);
  const auto colon = engine_and_path.find(':');
  id.engine = engine_and_path.substr(0, colon);
  if (colon != std::string_view::npos) id.path = engine_and_path.substr(colon + 1);
  if (find_kernel(id) == nullptr) {
    std::vector<std::string> known;
    for (const auto* kernel : kernels()) {
      if (computes(*kernel, id.mechanism.kind)) known.push_back(kernel_id(id.mechanism, *kernel));
    }
    throw InputError("kernel", text, fmt::format("is not registered{}", suggestion(text, known)));
  }
  return id;
}

const KernelInfo* find_kernel(const KernelId& id) {
  for (const auto* kernel : kernels()) {
    if (kernel->kernel() == id.kernel && kernel->engine() == id.engine && kernel->path() == id.path &&
        computes(*kernel, id.mechanism.kind)) {
      return kernel;
    }
  }
  return nullptr;
}

}  // namespace attnbench
