#include "run/protocol/messages.h"

#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "core/kernel_name.h"
#include "io/json.h"

namespace attnbench {

nlohmann::json to_json(const KernelChoice& choice) {
  auto out = to_json(choice.mechanism);
  out["kernel"] = choice.kernel->kernel();
  out["engine"] = choice.kernel->engine();
  out["path"] = choice.kernel->path();
  out["batch_calls"] = choice.batch_calls;
  out["limit_seconds"] = choice.limit_seconds;
  return out;
}

namespace {

KernelId id_from_json(const nlohmann::json& in) {
  return {mechanism_from_json(in), read_field<std::string>(in, "kernel"),
          read_field<std::string>(in, "engine"), read_field<std::string>(in, "path")};
}

}  // namespace

KernelChoice kernel_choice_from_json(const nlohmann::json& in) {
  const auto id = id_from_json(in);
  const auto* kernel = find_kernel(id);
  if (kernel == nullptr) throw InputError("kernel", in.dump(), "is not registered in this build");
  return {id.mechanism, kernel, read_field<std::int64_t>(in, "batch_calls"),
          read_field<double>(in, "limit_seconds")};
}

bool is_registered(const nlohmann::json& in) { return find_kernel(id_from_json(in)) != nullptr; }

std::string kernel_id_from_json(const nlohmann::json& in) {
  const auto id = id_from_json(in);
  return kernel_id(to_string(id.mechanism), id.kernel, id.engine, id.path);
}

}  // namespace attnbench
