#include "run/verification/examiner.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "run/bound_call.h"
#include "run/external/load.h"
#include "run/noise/fp_state.h"
#include "run/protocol/process.h"
#include "run/thrown.h"
#include "run/verification/address_space.h"
#include "run/verification/check.h"
#include "run/verification/observe.h"
#include "run/verification/placement.h"
#include "run/verification/shared_cases.h"

namespace attnbench {
namespace {

/// The memory that a kernel may add to its process while this lives. On a CPU that is address space; drivers
/// of other devices reserve more of that than any machine has.
class MemoryLimit {
 public:
  MemoryLimit(const Device& device, std::int64_t bytes, int threads)
      : limited_(device.address_space_is_memory() && bytes > 0) {
    if (limited_) limit_address_space(bytes, threads);
  }
  ~MemoryLimit() {
    if (limited_) unlimit_address_space();
  }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  bool limited_;
};

const KernelInfo& kernel_of(const KernelId& id) {
  const auto* kernel = find_kernel(id);
  if (kernel == nullptr) throw InputError("kernel", id.kernel, why_not_registered());
  return *kernel;
}

/// A kernel that crashes ends its process by the signal, whatever a runtime would make of it, and leaves no
/// core file.
void end_by_signals() {
  for (const int signal_number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
    std::signal(signal_number, SIG_DFL);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

/// Runs the kernel's part. Where it throws, says so in words and returns them.
template <typename Work>
std::string reason_to_end(std::int64_t memory_bytes, Work work) {
  try {
    return thrown(work);
  } catch (const std::bad_alloc&) {
    constexpr double kGiB = 1 << 30;
    return fmt::format("ran out of memory (limit {:.1f} GiB)", static_cast<double>(memory_bytes) / kGiB);
  }
}

}  // namespace

Examiner::Examiner(const CpuDevice& host, Send send) : host_(host), send_(std::move(send)) {}

SharedReader& Examiner::shared() {
  if (!shared_) shared_.emplace(kSharedDescriptor);
  return *shared_;
}

void Examiner::observe(const messages::Observe& request) {
  end_by_signals();
  shared().seek(0);
  auto cases = take_cases(shared(), request.problem);
  VerificationRecord record;
  const auto reason = reason_to_end(request.memory_bytes, [&] {
    const auto& kernel = kernel_of(request.kernel);
    const auto device = open_device(request.device, host_);
    const MemoryLimit limit(*device, request.memory_bytes, std::max(device->host_threads(), 2));
    const auto doing = [&](const std::string& what) { send_(to_json(messages::Doing{what})); };
    record = observe_kernel(kernel, request.problem, *device, cases, doing);
  });
  send_(reason.empty() ? to_json(messages::Observed{record}) : to_json(messages::Ended{reason}));
}

void Examiner::check(const messages::Check& request) {
  end_by_signals();
  for (const auto& c : request.cases) {
    messages::Checked result;
    const auto reason = reason_to_end(request.memory_bytes,
                                      [&] { result = check_case(kernel_of(request.kernel), request, c); });
    if (!reason.empty()) return send_(to_json(messages::Ended{reason}));
    send_(to_json(result));
  }
}

messages::Checked Examiner::check_case(const KernelInfo& kernel, const messages::Check& request,
                                       const messages::Check::Case& c) {
  auto host = host_;
  host.threads = c.threads;
  const auto device = open_device(request.device, host);
  const auto support = kernel.supports(c.problem, *device);
  if (!support) return {support.reason(), "", "", 0};
  shared().seek(c.expected_at);
  const auto expected = take_expected(shared());
  VerifyShape shape;
  shape.keys = c.keys;
  shape.row_stride = c.row_stride;
  shape.batch_stride = c.batch_stride;
  const auto data = place_data(shape, c.problem, c.kind, request.seed);
  reset_fp_state(device->host_threads());
  CaseResult result;
  try {
    const MemoryLimit limit(*device, request.memory_bytes, device->host_threads());
    result = check_kernel(kernel, c.problem, *device, data.tensors, expected);
  } catch (const std::bad_alloc&) {
    result.reason = fmt::format("ran out of memory (limit {} bytes)", request.memory_bytes);
  } catch (const WrongTiming& wrong) {
    result.reason = wrong.what();
  }
  if (!result.passed) return {"", result.reason, "", 0};
  if (const auto gap = find_gap_write(shape, data.tensors[Role::o]); !gap.empty()) return {"", gap, "", 0};
  return {"", "", result.reason, result.share};
}

}  // namespace attnbench
