#include "run/protocol/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "attnbench/error.h"
#include "core/kernel_name.h"
#include "io/json.h"
#include "io/record_json.h"
#include "plan/study_json.h"

namespace attnbench {

using nlohmann::json;

namespace {

json id_json(const KernelId& id) {
  auto out = to_json(id.mechanism);
  out["kernel"] = id.kernel;
  out["engine"] = id.engine;
  out["path"] = id.path;
  return out;
}

KernelId id_from_json(const json& in) {
  return {mechanism_from_json(in), read_field<std::string>(in, "kernel"),
          read_field<std::string>(in, "engine"), read_field<std::string>(in, "path")};
}

template <typename T, typename Write>
json list_json(const std::vector<T>& list, Write write) {
  auto out = json::array();
  for (const auto& item : list) out.push_back(write(item));
  return out;
}

json requests_json(const std::vector<KernelRequest>& requests) {
  return list_json(requests, [](const KernelRequest& request) {
    auto out = id_json(request.kernel);
    out["batch_calls"] = request.batch_calls;
    out["limit_seconds"] = request.limit_seconds;
    return out;
  });
}

std::vector<KernelRequest> requests_from_json(const json& in, const char* field) {
  std::vector<KernelRequest> requests;
  read_list(in, field, [&](const json& item) {
    requests.push_back({id_from_json(item), read_field<std::int64_t>(item, "batch_calls"),
                        read_field<double>(item, "limit_seconds")});
  });
  return requests;
}

json offers_json(const std::vector<KernelOffer>& offers) {
  return list_json(offers, [](const KernelOffer& offer) {
    auto kinds = json::array();
    for (const auto kind : offer.mechanisms) kinds.push_back(name(kind));
    return json{
        {"kernel", offer.kernel}, {"engine", offer.engine}, {"path", offer.path}, {"mechanisms", kinds}};
  });
}

/// Kinds of mechanism that this build does not know are left out: it could not describe their problems.
std::vector<KernelOffer> offers_from_json(const json& in, const char* field) {
  std::vector<KernelOffer> offers;
  read_list(in, field, [&](const json& item) {
    KernelOffer offer{read_field<std::string>(item, "kernel"),
                      read_field<std::string>(item, "engine"),
                      read_field<std::string>(item, "path"),
                      {}};
    const auto kinds = read_field<std::vector<std::string>>(item, "mechanisms");
    for (const auto kind : all_mechanism_kinds()) {
      if (std::find(kinds.begin(), kinds.end(), name(kind)) != kinds.end()) offer.mechanisms.push_back(kind);
    }
    offers.push_back(std::move(offer));
  });
  return offers;
}

reference::InputKind input_kind_named(const std::string& text) {
  for (const auto kind : reference::all_input_kinds()) {
    if (reference::name(kind) == text) return kind;
  }
  throw InputError("input", text, "is not a kind of input");
}

/// JSON writes numbers that are not finite as null.
double read_error(const json& in, const char* field) {
  return field_of(in, field).is_null() ? std::numeric_limits<double>::infinity()
                                       : read_field<double>(in, field);
}

PreparedKernel prepared_from_json(const std::string& name, const json& in) {
  return {name,
          read_field<double>(in, "prepare_seconds"),
          read_field<double>(in, "bind_seconds"),
          read_field<double>(in, "first_call_seconds"),
          read_field<std::int64_t>(in, "workspace_bytes"),
          read_field<double>(in, "executed_flops"),
          read_field<double>(in, "compulsory_bytes"),
          field_of(in, "moved_bytes").is_null() ? std::nullopt
                                                : std::optional(read_field<double>(in, "moved_bytes")),
          read_field<int>(in, "warmup_calls"),
          read_field<double>(in, "warmup_seconds"),
          read_field<bool>(in, "warmup_settled"),
          read_field<double>(in, "transport_seconds")};
}

RecheckedKernel rechecked_from_json(const std::string& name, const json& in) {
  return {name,
          read_field<bool>(in, "passed"),
          read_field<std::string>(in, "reason"),
          read_error(in, "max_error"),
          read_error(in, "tolerance"),
          read_field<bool>(in, "changed_fp_state"),
          {read_field<std::string>(in, "ran"), read_field<std::string>(in, "known_by")}};
}

/// {name: the rest}.
template <typename Kernel>
json by_name(const std::vector<Kernel>& kernels) {
  auto out = json::object();
  for (const auto& kernel : kernels) out[kernel.name] = to_json(kernel);
  return out;
}

template <typename Read>
auto from_names(const json& in, const char* field, Read read_one) {
  std::vector<decltype(read_one(std::string(), in))> kernels;
  const auto& all = field_of(in, field);
  if (!all.is_object()) throw InputError(field, json_text(all), "is no object");
  for (const auto& [name, kernel] : all.items()) kernels.push_back(read_one(name, kernel));
  return kernels;
}

}  // namespace

std::string KernelRequest::id() const {
  return kernel_id(to_string(kernel.mechanism), kernel.kernel, kernel.engine, kernel.path);
}

bool KernelOffer::computes(MechanismKind kind) const {
  return std::find(mechanisms.begin(), mechanisms.end(), kind) != mechanisms.end();
}

std::vector<KernelOffer> kernel_offers() {
  std::vector<KernelOffer> offers;
  for (const auto* kernel : kernels()) {
    const auto kinds = kernel->mechanisms();
    offers.push_back({std::string(kernel->kernel()),
                      std::string(kernel->engine()),
                      std::string(kernel->path()),
                      {kinds.begin(), kinds.end()}});
  }
  return offers;
}

std::vector<KernelOffer> united(std::vector<KernelOffer> offers, const std::vector<KernelOffer>& others) {
  const auto first_ones = offers.size();
  for (auto other : others) {
    for (std::size_t n = 0; n < first_ones; ++n) {
      const auto& offer = offers[n];
      if (offer.kernel != other.kernel || offer.engine != other.engine || offer.path != other.path) continue;
      std::erase_if(other.mechanisms, [&](MechanismKind kind) { return offer.computes(kind); });
    }
    if (!other.mechanisms.empty()) offers.push_back(std::move(other));
  }
  return offers;
}

std::optional<KernelChoice> find_choice(const KernelRequest& request) {
  const auto* kernel = find_kernel(request.kernel);
  if (kernel == nullptr) return std::nullopt;
  return KernelChoice{request.kernel.mechanism, kernel, request.batch_calls, request.limit_seconds};
}

json to_json(const PreparedKernel& kernel) {
  return {{"prepare_seconds", kernel.prepare_seconds},
          {"bind_seconds", kernel.bind_seconds},
          {"first_call_seconds", kernel.first_call_seconds},
          {"workspace_bytes", kernel.workspace_bytes},
          {"executed_flops", kernel.executed_flops},
          {"compulsory_bytes", kernel.compulsory_bytes},
          {"moved_bytes", kernel.moved_bytes ? json(*kernel.moved_bytes) : json()},
          {"warmup_calls", kernel.warmup_calls},
          {"warmup_seconds", kernel.warmup_seconds},
          {"warmup_settled", kernel.warmup_settled},
          {"transport_seconds", kernel.transport_seconds}};
}

json to_json(const RecheckedKernel& kernel) {
  return {{"passed", kernel.passed},
          {"reason", kernel.reason},
          {"max_error", kernel.max_error},
          {"tolerance", kernel.tolerance},
          {"changed_fp_state", kernel.changed_fp_state},
          {"ran", kernel.implementation.ran},
          {"known_by", kernel.implementation.known_by}};
}

std::string messages::type_of(const json& message) { return message.value("type", ""); }

namespace messages {
namespace {

template <typename T>
json typed(json out) {
  out["type"] = T::kType;
  return out;
}

template <typename T>
void require(const json& message) {
  if (!is<T>(message)) {
    throw InputError("type", message.value("type", ""),
                     fmt::format("is not {}, which was asked for", T::kType));
  }
}

}  // namespace

json to_json(const Hello& message) {
  return typed<Hello>({{"protocol", message.protocol},
                       {"probe", message.probe},
                       {"ceilings", message.ceilings},
                       {"devices", message.devices}});
}

template <>
Hello read<Hello>(const json& in) {
  require<Hello>(in);
  return {read_field<int>(in, "protocol"), read_field<bool>(in, "probe"), read_field<bool>(in, "ceilings"),
          read_field<std::vector<std::string>>(in, "devices")};
}

json to_json(const Welcome& message) {
  auto out = attnbench::to_json(message.identity);
  out["protocol"] = message.protocol;
  out["environment"] = *message.environment;
  out["kernels"] = offers_json(message.kernels);
  out["ceilings"] = message.ceilings ? attnbench::to_json(*message.ceilings) : json();
  out["devices"] = json::object();
  for (const auto& [name, facts] : message.devices)
    out["devices"][name] = {{"identity", facts.identity}, {"ceilings", attnbench::to_json(facts.ceilings)}};
  return typed<Welcome>(out);
}

template <>
Welcome read<Welcome>(const json& in) {
  require<Welcome>(in);
  Welcome message;
  message.protocol = read_field<int>(in, "protocol");
  message.identity = worker_identity_from_json(in);
  message.environment = field_of(in, "environment");
  message.kernels = offers_from_json(in, "kernels");
  if (const auto& ceilings = field_of(in, "ceilings"); !ceilings.is_null())
    message.ceilings = ceilings_from_json(ceilings);
  for (const auto& [name, facts] : field_of(in, "devices").items()) {
    message.devices[name] = {read_field<std::map<std::string, std::string>>(facts, "identity"),
                             ceilings_from_json(field_of(facts, "ceilings"))};
  }
  return message;
}

json to_json(const Verify& message) {
  return typed<Verify>({{"cell", attnbench::to_json(message.cell)},
                        {"kernels", requests_json(message.kernels)},
                        {"candidates", requests_json(message.candidates)},
                        {"ceilings", attnbench::to_json(message.ceilings)},
                        {"default_path_only", message.default_path_only},
                        {"data_seed", message.data_seed}});
}

template <>
Verify read<Verify>(const json& in) {
  require<Verify>(in);
  return {cell_from_json(field_of(in, "cell")),      requests_from_json(in, "kernels"),
          requests_from_json(in, "candidates"),      ceilings_from_json(field_of(in, "ceilings")),
          read_field<bool>(in, "default_path_only"), read_field<std::uint64_t>(in, "data_seed")};
}

json to_json(const Outcome& message) {
  auto out = *record_json(message.outcome.record);
  out["unsupported_reason"] = message.outcome.unsupported_reason;
  out["is_default_path"] = message.outcome.is_default_path;
  return typed<Outcome>(out);
}

template <>
Outcome read<Outcome>(const json& in) {
  require<Outcome>(in);
  Outcome message;
  read_record(in, message.outcome.record);
  message.outcome.unsupported_reason = read_field<std::string>(in, "unsupported_reason");
  message.outcome.is_default_path = read_field<bool>(in, "is_default_path");
  return message;
}

json to_json(const Verified&) { return typed<Verified>(json::object()); }

template <>
Verified read<Verified>(const json& in) {
  require<Verified>(in);
  return {};
}

json to_json(const Prepare& message) {
  const auto& plan = message.plan;
  return typed<Prepare>({{"cell", attnbench::to_json(plan.cell)},
                         {"kernels", requests_json(plan.kernels)},
                         {"baseline", plan.baseline},
                         {"orders", plan.orders},
                         {"unbatched_calls", plan.unbatched_calls},
                         {"warmup_limit_calls", plan.warmup_limit_calls},
                         {"warmup_limit_seconds", plan.warmup_limit_seconds},
                         {"data_seed", plan.data_seed}});
}

template <>
Prepare read<Prepare>(const json& in) {
  require<Prepare>(in);
  Prepare message;
  auto& plan = message.plan;
  plan.cell = cell_from_json(field_of(in, "cell"));
  plan.kernels = requests_from_json(in, "kernels");
  plan.baseline = read_field<std::uint64_t>(in, "baseline");
  plan.orders = read_field<std::vector<std::vector<int>>>(in, "orders");
  plan.unbatched_calls = read_field<int>(in, "unbatched_calls");
  plan.warmup_limit_calls = read_field<int>(in, "warmup_limit_calls");
  plan.warmup_limit_seconds = read_field<double>(in, "warmup_limit_seconds");
  plan.data_seed = read_field<std::uint64_t>(in, "data_seed");
  if (plan.baseline >= plan.kernels.size())
    throw InputError("baseline", std::to_string(plan.baseline), "is not one of the kernels");
  return message;
}

json to_json(const Prepared& message) { return typed<Prepared>({{"kernels", by_name(message.kernels)}}); }

template <>
Prepared read<Prepared>(const json& in) {
  require<Prepared>(in);
  return {from_names(in, "kernels", prepared_from_json)};
}

json to_json(const Slot& message) { return typed<Slot>({{"block", message.block}}); }

template <>
Slot read<Slot>(const json& in) {
  require<Slot>(in);
  return {read_field<int>(in, "block")};
}

json to_json(const Samples& message) {
  return typed<Samples>(
      {{"block", message.block},
       {"samples", list_json(message.samples, [](const SampleRecord& s) { return *record_json(s); })}});
}

template <>
Samples read<Samples>(const json& in) {
  require<Samples>(in);
  Samples message{read_field<int>(in, "block"), {}};
  read_list(in, "samples", [&](const json& item) { read_record(item, message.samples.emplace_back()); });
  return message;
}

json to_json(const ObserveNoise& message) { return typed<ObserveNoise>({{"seconds", message.seconds}}); }

template <>
ObserveNoise read<ObserveNoise>(const json& in) {
  require<ObserveNoise>(in);
  return {read_field<double>(in, "seconds")};
}

json to_json(const Noise& message) { return typed<Noise>({{"noise", *message.noise}}); }

template <>
Noise read<Noise>(const json& in) {
  require<Noise>(in);
  return {field_of(in, "noise")};
}

json to_json(const Stop&) { return typed<Stop>(json::object()); }

template <>
Stop read<Stop>(const json& in) {
  require<Stop>(in);
  return {};
}

json to_json(const Stopped& message) {
  return typed<Stopped>({{"noise", *message.noise}, {"kernels", by_name(message.kernels)}});
}

template <>
Stopped read<Stopped>(const json& in) {
  require<Stopped>(in);
  return {field_of(in, "noise"), from_names(in, "kernels", rechecked_from_json)};
}

json to_json(const Starting& message) {
  return typed<Starting>({{"kernel_id", message.kernel_id}, {"stage", message.stage}});
}

template <>
Starting read<Starting>(const json& in) {
  require<Starting>(in);
  return {read_field<std::string>(in, "kernel_id"), read_field<std::string>(in, "stage")};
}

json to_json(const Error& message) {
  return typed<Error>(
      {{"kernel_id", message.kernel_id}, {"stage", message.stage}, {"reason", message.reason}});
}

template <>
Error read<Error>(const json& in) {
  require<Error>(in);
  return {read_field<std::string>(in, "kernel_id"), read_field<std::string>(in, "stage"),
          read_field<std::string>(in, "reason")};
}

json to_json(const Observe& message) {
  return typed<Observe>({{"kernel", id_json(message.kernel)},
                         {"device", message.device},
                         {"problem", attnbench::to_json(message.problem)},
                         {"memory_bytes", message.memory_bytes}});
}

template <>
Observe read<Observe>(const json& in) {
  require<Observe>(in);
  return {id_from_json(field_of(in, "kernel")), read_field<std::string>(in, "device"),
          problem_from_json(field_of(in, "problem")), read_field<std::int64_t>(in, "memory_bytes")};
}

json to_json(const Doing& message) { return typed<Doing>({{"what", message.what}}); }

template <>
Doing read<Doing>(const json& in) {
  require<Doing>(in);
  return {read_field<std::string>(in, "what")};
}

json to_json(const Observed& message) { return typed<Observed>({{"record", *record_json(message.record)}}); }

template <>
Observed read<Observed>(const json& in) {
  require<Observed>(in);
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
  require<Check>(in);
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
         read_field<int>(item, "threads"), read_field<std::uint64_t>(item, "expected_at")});
  });
  return message;
}

json to_json(const Checked& message) {
  return typed<Checked>({{"unsupported", message.unsupported},
                         {"failed", message.failed},
                         {"unranked", message.unranked},
                         {"share", message.share}});
}

template <>
Checked read<Checked>(const json& in) {
  require<Checked>(in);
  return {read_field<std::string>(in, "unsupported"), read_field<std::string>(in, "failed"),
          read_field<std::string>(in, "unranked"), read_error(in, "share")};
}

json to_json(const Ended& message) { return typed<Ended>({{"reason", message.reason}}); }

template <>
Ended read<Ended>(const json& in) {
  require<Ended>(in);
  return {read_field<std::string>(in, "reason")};
}

}  // namespace messages

}  // namespace attnbench
