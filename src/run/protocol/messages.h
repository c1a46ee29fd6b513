#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/registry.h"
#include "plan/study.h"
#include "reference/inputs.h"
#include "store/records.h"

namespace attnbench {

/// The slot messages: JSON lines, each with a "type". The conductor asks, the worker answers with the same
/// type; a worker that cannot go on answers "error" and exits.
///   hello      protocol, probe, ceilings, devices
///                                       -> protocol, WorkerIdentity, environment? ceilings? devices
///   verify     cell, kernels, candidates (all of the cell), ceilings, default_path_only
///                                       -> one {outcome} a kernel, known here or not, then {done}
///   prepare    cell, kernels, orders .. -> {kernels: {id: prepare_seconds, warm-up, executed_flops ..}}
///   slot       block (-1: unbatched)    -> {starting: id} before each slot, then {block, samples}
///   noise      seconds                  -> {noise} of so many seconds of its own work
///   stop                                -> {noise, kernels}; then the worker exits
///   heartbeat                              no answer; a worker that misses them exits
///   error                               <- kernel_id, stage, reason
/// A worker verifies each kernel in a worker of its own, with which it shares memory, and whose end is the
/// kernel's end. It asks:
///   observe    kernel, problem          -> doing, again and again, then observed: the record
///   check      kernel, cases            -> checked, one a case
/// Where the kernel throws or runs out of memory the answer is ended, and nothing more is asked of that
/// worker.
namespace messages {

inline constexpr int kProtocol = 3;
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

/// All that is recorded of a kernel, by the cases in shared memory (take_cases()).
struct Observe {
  static constexpr std::string_view kType = "observe";
  KernelId kernel;
  std::string device;
  Problem problem;
  std::int64_t memory_bytes = 0;  ///< that the kernel may add; 0: no limit
};
/// What an observed kernel is about to do.
struct Doing {
  static constexpr std::string_view kType = "doing";
  std::string what;
};
struct Observed {
  static constexpr std::string_view kType = "observed";
  VerificationRecord record;  ///< without cell and kernel id
};

/// Cases of one kernel, each with inputs from the seed and its expectation in shared memory.
struct Check {
  static constexpr std::string_view kType = "check";
  struct Case {
    Problem problem;
    reference::InputKind kind = reference::InputKind::normal;
    std::int64_t keys = 0, row_stride = 0, batch_stride = 0;  ///< as in VerifyShape
    int threads = 1;
    std::size_t expected_at = 0;  ///< where take_expected() finds it
  };
  KernelId kernel;
  std::string device;
  std::int64_t memory_bytes = 0;
  std::uint64_t seed = 0;
  std::vector<Case> cases;
};
/// One of three: unsupported, failed, or neither.
struct Checked {
  static constexpr std::string_view kType = "checked";
  std::string unsupported, failed;
  double share = 0;  ///< error / tolerance
};
/// The kernel's worker cannot go on, because of the kernel.
struct Ended {
  static constexpr std::string_view kType = "ended";
  std::string reason;  ///< "threw: no such instruction", "ran out of memory (limit 0.5 GiB)"
};

nlohmann::json to_json(const Observe& message);
nlohmann::json to_json(const Doing& message);
nlohmann::json to_json(const Observed& message);
nlohmann::json to_json(const Check& message);
nlohmann::json to_json(const Checked& message);
nlohmann::json to_json(const Ended& message);

/// What its "type" says; empty where there is none.
std::string type_of(const nlohmann::json& message);
/// Whether the message is a T.
template <typename T>
bool is(const nlohmann::json& message);
/// The message as a T. Throws InputError if it is another, or naming the missing or ill-typed field.
template <typename T>
T read(const nlohmann::json& message);
template <>
Observe read<Observe>(const nlohmann::json& message);
template <>
Doing read<Doing>(const nlohmann::json& message);
template <>
Observed read<Observed>(const nlohmann::json& message);
template <>
Check read<Check>(const nlohmann::json& message);
template <>
Checked read<Checked>(const nlohmann::json& message);
template <>
Ended read<Ended>(const nlohmann::json& message);

}  // namespace messages

/// What the verification of one kernel of a cell came to.
struct VerificationOutcome {
  VerificationRecord record;
  std::string unsupported_reason;  ///< not empty: the kernel was not run
  bool is_default_path = true;     ///< KernelRecord's
};
nlohmann::json to_json(const VerificationOutcome& outcome);
VerificationOutcome outcome_from_json(const nlohmann::json& in);

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

template <typename T>
bool messages::is(const nlohmann::json& message) {
  return type_of(message) == T::kType;
}

/// The name of the baseline's second instance in orders and samples.
inline constexpr std::string_view kAlias = "alias";

}  // namespace attnbench
