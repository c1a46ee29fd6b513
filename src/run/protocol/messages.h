#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/registry.h"
#include "core/ceilings.h"
#include "io/json_document.h"
#include "plan/study.h"
#include "reference/inputs.h"
#include "run/protocol/worker_identity.h"
#include "store/records.h"

namespace attnbench {

/// The slot messages: JSON lines, each with a "type". Here and in messages.cc alone is said what they hold.
/// The conductor asks, the worker answers:
///   hello      Hello    -> Welcome
///   verify     Verify   -> one Outcome a kernel, known there or not, then Verified
///   prepare    Prepare  -> Starting before each kernel, then Prepared
///   slot       Slot     -> Starting before each slot, then Samples
///   noise      Observe noise for some seconds -> Noise
///   stop       Stop     -> Starting before each kernel, then Stopped; then the worker exits
///   heartbeat              no answer; a worker that misses them exits
/// A worker that cannot go on sends Error and exits.
/// A worker verifies each kernel in a worker of its own, with which it shares memory, and whose end is the
/// kernel's end. It asks:
///   observe    kernel, problem          -> doing, again and again, then observed: the record
///   check      kernel, cases            -> checked, one a case
/// Where the kernel throws or runs out of memory the answer is ended, and nothing more is asked of that
/// worker.

/// One kernel that a worker is asked for, which its build may have or not.
struct KernelRequest {
  KernelId kernel;
  std::int64_t batch_calls = 1;
  double limit_seconds = 60;  ///< a slot or verification longer than this is a hang

  std::string id() const;
};

/// A kernel that a build has, and what it computes.
struct KernelOffer {
  std::string kernel, engine, path;
  std::vector<MechanismKind> mechanisms;

  bool computes(MechanismKind kind) const;
  bool operator==(const KernelOffer&) const = default;
};
/// Those of this build and of its loaded plugins, in the registry's order.
std::vector<KernelOffer> kernel_offers();
/// What either list has: first the one, then what only the other has.
std::vector<KernelOffer> united(std::vector<KernelOffer> offers, const std::vector<KernelOffer>& others);

/// One kernel of a cell in the build that runs it.
struct KernelChoice {
  Mechanism mechanism;
  const KernelInfo* kernel = nullptr;
  std::int64_t batch_calls = 1;
  double limit_seconds = 60;

  std::string id() const { return kernel_id(mechanism, *kernel); }
};
/// Nothing where this build does not register it.
std::optional<KernelChoice> find_choice(const KernelRequest& request);

/// What the verification of one kernel of a cell came to.
struct VerificationOutcome {
  VerificationRecord record;
  std::string unsupported_reason;  ///< not empty: the kernel was not run
  bool is_default_path = true;     ///< KernelRecord's
};

/// What one measuring process does.
struct MeasurementPlan {
  Cell cell;
  std::vector<KernelRequest> kernels;  ///< the baseline is kernels[baseline]
  std::size_t baseline = 0;
  std::vector<std::vector<int>> orders;  ///< by block: indices into kernels; kernels.size() is the alias
  int unbatched_calls = 0;
  int warmup_limit_calls = 50;
  double warmup_limit_seconds = 2;
  std::uint64_t data_seed = 0;
};

/// The name of the baseline's second instance in orders and samples.
inline constexpr std::string_view kAlias = "alias";

/// What preparing one kernel of a process came to, and what its build says of it.
struct PreparedKernel {
  std::string name;  ///< kernel id, or "alias"
  double prepare_seconds = 0, bind_seconds = 0, first_call_seconds = 0;
  std::int64_t workspace_bytes = 0;
  double executed_flops = 0, compulsory_bytes = 0;
  std::optional<double> moved_bytes;  ///< KernelInfo's
  int warmup_calls = 0;
  double warmup_seconds = 0;
  bool warmup_settled = false;
  double transport_seconds = 0;  ///< that the host waited for a call beyond what is reported: median, warm-up
};

/// What one kernel's last output, and one more, were judged at the end of a process.
struct RecheckedKernel {
  std::string name;
  bool passed = false;
  std::string reason;
  double max_error = 0, tolerance = 0;
  bool changed_fp_state = false;
  Implementation implementation;
};

/// Both as they stand in ProcessRecord::kernels under their name, the second as "recheck".
nlohmann::json to_json(const PreparedKernel& kernel);
nlohmann::json to_json(const RecheckedKernel& kernel);

namespace messages {

inline constexpr int kProtocol = 6;
inline constexpr std::string_view kHeartbeat = "heartbeat";

/// Seconds between heartbeats, and without one after which a worker exits.
inline constexpr double kHeartbeatSeconds = 2;
inline constexpr double kHeartbeatLimitSeconds = 8;

struct Hello {
  static constexpr std::string_view kType = "hello";
  int protocol = kProtocol;
  bool probe = false;                ///< the environment and the kernels are wanted too
  bool ceilings = false;             ///< and those of the CPUs
  std::vector<std::string> devices;  ///< and what these are
};
/// A device other than the CPU.
struct DeviceFacts {
  std::map<std::string, std::string> identity;  ///< as Device::identity()
  Ceilings ceilings;
};
struct Welcome {
  static constexpr std::string_view kType = "hello";
  int protocol = kProtocol;
  WorkerIdentity identity;
  JsonDocument environment;          ///< null unless asked for
  std::vector<KernelOffer> kernels;  ///< empty unless asked for
  std::optional<Ceilings> ceilings;
  std::map<std::string, DeviceFacts> devices;  ///< by name
};

struct Verify {
  static constexpr std::string_view kType = "verify";
  Cell cell;
  std::vector<KernelRequest> kernels;     ///< still to be verified
  std::vector<KernelRequest> candidates;  ///< all of the cell: among them default paths are told
  Ceilings ceilings;
  bool default_path_only = false;
  std::uint64_t data_seed = 0;
};
struct Outcome {
  static constexpr std::string_view kType = "outcome";
  VerificationOutcome outcome;
};
struct Verified {
  static constexpr std::string_view kType = "verified";
};

struct Prepare {
  static constexpr std::string_view kType = "prepare";
  MeasurementPlan plan;
};
struct Prepared {
  static constexpr std::string_view kType = "prepared";
  std::vector<PreparedKernel> kernels;
};

struct Slot {
  static constexpr std::string_view kType = "slot";
  int block = 0;  ///< -1: the unbatched calls
};
struct Samples {
  static constexpr std::string_view kType = "samples";
  int block = 0;
  std::vector<SampleRecord> samples;
};

/// Asks for what disturbs while all threads work for so long.
struct ObserveNoise {
  static constexpr std::string_view kType = "noise";
  double seconds = 0;
};
struct Noise {
  static constexpr std::string_view kType = "noise";
  JsonDocument noise;  ///< see observe_noise()
};

struct Stop {
  static constexpr std::string_view kType = "stop";
};
struct Stopped {
  static constexpr std::string_view kType = "stopped";
  JsonDocument noise;  ///< see difference(); null where nothing was measured
  std::vector<RecheckedKernel> kernels;
};

/// The step that begins, so that a crash has an owner.
struct Starting {
  static constexpr std::string_view kType = "starting";
  std::string kernel_id, stage;
};
struct Error {
  static constexpr std::string_view kType = "error";
  std::string kernel_id, stage, reason;
};

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
/// One of three: unsupported, failed, or neither; then why the kernel is not to be ranked, if so.
struct Checked {
  static constexpr std::string_view kType = "checked";
  std::string unsupported, failed, unranked;
  double share = 0;  ///< error / tolerance
};
/// The kernel's worker cannot go on, because of the kernel.
struct Ended {
  static constexpr std::string_view kType = "ended";
  std::string reason;  ///< "threw: no such instruction", "ran out of memory (limit 0.5 GiB)"
};

nlohmann::json to_json(const Hello& message);
nlohmann::json to_json(const Welcome& message);
nlohmann::json to_json(const Verify& message);
nlohmann::json to_json(const Outcome& message);
nlohmann::json to_json(const Verified& message);
nlohmann::json to_json(const Prepare& message);
nlohmann::json to_json(const Prepared& message);
nlohmann::json to_json(const Slot& message);
nlohmann::json to_json(const Samples& message);
nlohmann::json to_json(const ObserveNoise& message);
nlohmann::json to_json(const Noise& message);
nlohmann::json to_json(const Stop& message);
nlohmann::json to_json(const Stopped& message);
nlohmann::json to_json(const Starting& message);
nlohmann::json to_json(const Error& message);
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
bool is(const nlohmann::json& message) {
  return type_of(message) == T::kType;
}
/// The message as a T. Throws InputError if it is another, or naming the missing or ill-typed field.
template <typename T>
T read(const nlohmann::json& message);
template <>
Hello read<Hello>(const nlohmann::json& message);
template <>
Welcome read<Welcome>(const nlohmann::json& message);
template <>
Verify read<Verify>(const nlohmann::json& message);
template <>
Outcome read<Outcome>(const nlohmann::json& message);
template <>
Verified read<Verified>(const nlohmann::json& message);
template <>
Prepare read<Prepare>(const nlohmann::json& message);
template <>
Prepared read<Prepared>(const nlohmann::json& message);
template <>
Slot read<Slot>(const nlohmann::json& message);
template <>
Samples read<Samples>(const nlohmann::json& message);
template <>
ObserveNoise read<ObserveNoise>(const nlohmann::json& message);
template <>
Noise read<Noise>(const nlohmann::json& message);
template <>
Stop read<Stop>(const nlohmann::json& message);
template <>
Stopped read<Stopped>(const nlohmann::json& message);
template <>
Starting read<Starting>(const nlohmann::json& message);
template <>
Error read<Error>(const nlohmann::json& message);
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

}  // namespace attnbench
