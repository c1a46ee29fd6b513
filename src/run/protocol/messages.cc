#include "run/protocol/messages.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "core/kernel_name.h"
#include "io/json.h"
#include "io/record_json.h"

namespace attnbench {

using nlohmann::json;

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

namespace {

json id_json(const KernelId& id) {
  auto out = to_json(id.mechanism);
  out["kernel"] = id.kernel;
  out["engine"] = id.engine;
  out["path"] = id.path;
  return out;
}

reference::InputKind input_kind_named(const std::string& text) {
  for (const auto kind : reference::all_input_kinds()) {
    if (reference::name(kind) == text) return kind;
  }
  throw InputError("input", text, "is not a kind of input");
}

}  // namespace

json to_json(const VerificationOutcome& outcome) {
  auto out = *record_json(outcome.record);
  out["unsupported_reason"] = outcome.unsupported_reason;
  out["is_default_path"] = outcome.is_default_path;
  return out;
}

VerificationOutcome outcome_from_json(const json& in) {
  VerificationOutcome outcome;
  read_record(in, outcome.record);
  outcome.unsupported_reason = read_field<std::string>(in, "unsupported_reason");
  outcome.is_default_path = read_field<bool>(in, "is_default_path");
  return outcome;
}

namespace messages {
namespace {

template <typename T>
json typed(json out) {
  out["type"] = T::kType;
  return out;
}

void require_type(const json& message, std::string_view type) {
  if (message.value("type", "") != type)
    throw InputError("type", message.value("type", ""), fmt::format("is not {}, which was asked for", type));
}

}  // namespace

std::string type_of(const json& message) { return message.value("type", ""); }

json to_json(const Observe& message) {
  return typed<Observe>({{"kernel", id_json(message.kernel)},
                         {"device", message.device},
                         {"problem", attnbench::to_json(message.problem)},
                         {"memory_bytes", message.memory_bytes}});
}

template <>
Observe read<Observe>(const json& in) {
  require_type(in, Observe::kType);
  return {id_from_json(field_of(in, "kernel")), read_field<std::string>(in, "device"),
          problem_from_json(field_of(in, "problem")), read_field<std::int64_t>(in, "memory_bytes")};
}

json to_json(const Doing& message) { return typed<Doing>({{"what", message.what}}); }

template <>
Doing read<Doing>(const json& in) {
  require_type(in, Doing::kType);
  return {read_field<std::string>(in, "what")};
}

json to_json(const Observed& message) { return typed<Observed>({{"record", *record_json(message.record)}}); }

template <>
Observed read<Observed>(const json& in) {
  require_type(in, Observed::kType);
  Observed message;
  read_record(field_of(in, "record"), message.record);
  return message;
}

json to_json(const Check& message) {
  auto cases = json::array();
  for (const auto& c : message.cases) {
    cases.push_back({{"problem", attnbench::to_json(c.problem)},
                     {"input", reference::name(c.kind)},
                     {"keys", c.keys},
                     {"row_stride", c.row_stride},
                     {"batch_stride", c.batch_stride},
                     {"threads", c.threads},
                     {"expected_at", c.expected_at}});
  }
  return typed<Check>({{"kernel", id_json(message.kernel)},
                       {"device", message.device},
                       {"memory_bytes", message.memory_bytes},
                       {"seed", message.seed},
                       {"cases", cases}});
}

template <>
Check read<Check>(const json& in) {
  require_type(in, Check::kType);
  Check message{id_from_json(field_of(in, "kernel")),
                read_field<std::string>(in, "device"),
                read_field<std::int64_t>(in, "memory_bytes"),
                read_field<std::uint64_t>(in, "seed"),
                {}};
  read_list(in, "cases", [&](const json& item) {
    message.cases.push_back(
        {problem_from_json(field_of(item, "problem")),
         input_kind_named(read_field<std::string>(item, "input")), read_field<std::int64_t>(item, "keys"),
         read_field<std::int64_t>(item, "row_stride"), read_field<std::int64_t>(item, "batch_stride"),
         read_field<int>(item, "threads"), read_field<std::size_t>(item, "expected_at")});
  });
  return message;
}

json to_json(const Checked& message) {
  return typed<Checked>(
      {{"unsupported", message.unsupported}, {"failed", message.failed}, {"share", message.share}});
}

template <>
Checked read<Checked>(const json& in) {
  require_type(in, Checked::kType);
  return {read_field<std::string>(in, "unsupported"), read_field<std::string>(in, "failed"),
          read_field<double>(in, "share")};
}

json to_json(const Ended& message) { return typed<Ended>({{"reason", message.reason}}); }

template <>
Ended read<Ended>(const json& in) {
  require_type(in, Ended::kType);
  return {read_field<std::string>(in, "reason")};
}

}  // namespace messages

bool is_registered(const nlohmann::json& in) { return find_kernel(id_from_json(in)) != nullptr; }

std::string kernel_id_from_json(const nlohmann::json& in) {
  const auto id = id_from_json(in);
  return kernel_id(to_string(id.mechanism), id.kernel, id.engine, id.path);
}

}  // namespace attnbench
