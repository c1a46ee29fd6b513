#include "run/protocol/messages.h"

#include <fmt/format.h>

#include "core/json.h"

namespace attnbench {

nlohmann::json to_json(const KernelChoice& choice) {
  auto json = to_json(choice.mechanism);
  json["kernel"] = choice.kernel->kernel();
  json["engine"] = choice.kernel->engine();
  json["path"] = choice.kernel->path();
  json["batch_calls"] = choice.batch_calls;
  json["limit_seconds"] = choice.limit_seconds;
  return json;
}

namespace {

KernelId id_from_json(const nlohmann::json& json) {
  return {mechanism_from_json(json), read_field<std::string>(json, "kernel"),
          read_field<std::string>(json, "engine"), read_field<std::string>(json, "path")};
}

}  // namespace

KernelChoice kernel_choice_from_json(const nlohmann::json& json) {
  const auto id = id_from_json(json);
  const auto* kernel = find_kernel(id);
  if (kernel == nullptr) throw InputError("kernel", json.dump(), "is not registered in this build");
  return {id.mechanism, kernel, read_field<std::int64_t>(json, "batch_calls"),
          read_field<double>(json, "limit_seconds")};
}

bool is_registered(const nlohmann::json& json) { return find_kernel(id_from_json(json)) != nullptr; }

std::string kernel_id_from_json(const nlohmann::json& json) {
  const auto id = id_from_json(json);
  return fmt::format("{}/{}@{}{}{}", to_string(id.mechanism), id.kernel, id.engine,
                     id.path.empty() ? "" : ":", id.path);
}

}  // namespace attnbench
