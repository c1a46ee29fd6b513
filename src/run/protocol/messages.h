#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/registry.h"
#include "plan/study.h"

namespace attnbench {

/// The slot messages: JSON lines, each with a "type". The conductor asks, the worker answers with the same
/// type; a worker that cannot go on answers "error" and exits.
///   hello      protocol, probe, ceilings -> protocol, device, WorkerIdentity, environment? ceilings?
///   verify     cell, kernels, ceilings? -> one {outcome} a kernel, known here or not, then {done}
///   prepare    cell, kernels, orders .. -> {kernels: {id: prepare_seconds, warm-up, executed_flops ..}}
///   slot       block (-1: unbatched)    -> {starting: id} before each slot, then {block, samples}
///   noise      seconds                  -> {noise} of so many seconds of its own work
///   stop                                -> {noise, kernels}; then the worker exits
///   heartbeat                              no answer; a worker that misses them exits
///   error                               <- kernel_id, stage, reason
namespace messages {

inline constexpr int kProtocol = 2;
inline constexpr std::string_view kHello = "hello";
inline constexpr std::string_view kVerify = "verify";
inline constexpr std::string_view kPrepare = "prepare";
inline constexpr std::string_view kSlot = "slot";
inline constexpr std::string_view kNoise = "noise";
inline constexpr std::string_view kStop = "stop";
inline constexpr std::string_view kHeartbeat = "heartbeat";
inline constexpr std::string_view kError = "error";

/// Seconds between heartbeats, and without one after which a worker exits.
inline constexpr double kHeartbeatSeconds = 2;
inline constexpr double kHeartbeatLimitSeconds = 8;

}  // namespace messages

/// One kernel of a cell, as messages name it.
struct KernelChoice {
  Mechanism mechanism;
  const KernelInfo* kernel = nullptr;
  std::int64_t batch_calls = 1;
  double limit_seconds = 60;  ///< a slot or verification longer than this is a hang

  std::string id() const { return kernel_id(mechanism, *kernel); }
};

nlohmann::json to_json(const KernelChoice& choice);
/// Throws InputError if this build does not register the kernel.
KernelChoice kernel_choice_from_json(const nlohmann::json& in);
/// Whether this build has the kernel; another build may ask for more.
bool is_registered(const nlohmann::json& in);
/// "mechanism/kernel@engine[:path]", registered or not.
std::string kernel_id_from_json(const nlohmann::json& in);

/// The name of the baseline's second instance in orders and samples.
inline constexpr std::string_view kAlias = "alias";

}  // namespace attnbench
