#include "run/verification/verify_all.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "attnbench/registry.h"
#include "run/noise/fp_state.h"
#include "run/verification/address_space.h"
#include "run/verification/check.h"
#include "run/verification/child.h"
#include "run/verification/placement.h"

namespace attnbench {
namespace {

using nlohmann::json;
using reference::InputKind;

/// Silence of the processes that conduct one element type; their kernels have limits of their own.
constexpr double kLaneSilenceSeconds = 600;

/// One (mechanism, shape, input) in the lane's element type.
struct Case {
  const VerifyShape* shape = nullptr;
  Problem problem;
  InputKind kind = InputKind::normal;
  int threads = 1;
  std::optional<Expected> expected;  ///< none where no kernel supports the problem

  std::string name() const {
    return fmt::format("{} {} '{}' on {} thread{}", shape->name, to_string(problem.mechanism),
                       reference::name(kind), threads, threads == 1 ? "" : "s");
  }
};

/// All that is done in one element type, one kernel after another.
class Lane {
 public:
  Lane(const VerifyAllOptions& options, DType dtype, const ChildSend& send)
      : options_(options), dtype_(dtype), send_(send), device_(cpu_device(1)) {
    device_.cpus = allowed_cpus();
  }

  void run() {
    make_cases();
    for (std::size_t n = 0; n < options_.kernels.size(); ++n) verify(n);
  }

 private:
  void make_cases() {
    const auto dtype = attnbench::name(dtype_);
    send_({{"progress", fmt::format("{}: expected results of {} shapes", dtype, options_.shapes.size())}});
    std::size_t turn = 0;
    for (const auto& shape : options_.shapes) {
      for (const auto& problem : shape.problems(dtype_)) {
        if (std::find(options_.mechanisms.begin(), options_.mechanisms.end(), problem.mechanism.kind) ==
            options_.mechanisms.end()) {
          continue;
        }
        for (const auto kind : reference::all_input_kinds()) {
          const int threads = turn++ % 2 == 0 ? options_.threads : 1;
          cases_.push_back({&shape, problem, kind, threads, {}});
          expect_result(cases_.back());
        }
        ++turn;  // kinds are even in number: each takes both thread counts
      }
    }
  }

  Device device_with(int threads) const {
    auto device = device_;
    device.threads = threads;
    return device;
  }

  void expect_result(Case& c) const {
    const auto device = device_with(c.threads);
    const bool wanted =
        std::any_of(options_.kernels.begin(), options_.kernels.end(), [&](const auto* kernel) {
          return computes(*kernel, c.problem.mechanism.kind) && kernel->supports(c.problem, device);
        });
    if (!wanted) return;
    const auto data = place_data(*c.shape, c.problem, c.kind, options_.seed);
    c.expected = expect(c.problem, data.tensors, reference::sample_rows(c.problem));
  }

  void verify(std::size_t index) {
    const auto& kernel = *options_.kernels[index];
    send_(
        {{"progress", fmt::format("{}: {}@{}", attnbench::name(dtype_), kernel.kernel(), kernel.engine())}});
    json verdict = {{"kernel", index},
                    {"dtype", static_cast<int>(dtype_)},
                    {"passed", 0},
                    {"unsupported", json::object()},
                    {"failures", json::array()},
                    {"worst_share", 0.0},
                    {"worst_case", ""}};
    std::size_t next = verify_from(kernel, 0, verdict);
    for (int restarts = 0; next < cases_.size(); ++restarts) {
      if (restarts == kMostRestarts) {
        verdict["failures"].push_back({"the cases after", "not run: it was given up"});
        break;
      }
      next = verify_from(kernel, next, verdict);
    }
    send_({{"verdict", verdict}});
  }

  /// Runs cases from `first` in one process and returns the first case that no process has begun.
  std::size_t verify_from(const KernelInfo& kernel, std::size_t first, json& verdict) {
    std::size_t current = first;
    const auto end = run_child(
        [&](const ChildSend& send) {
          for (auto n = first; n < cases_.size(); ++n) {
            if (!computes(kernel, cases_[n].problem.mechanism.kind)) continue;
            send({{"begin", n}});
            send(run_case(kernel, cases_[n]));
          }
        },
        {.seconds = options_.seconds_per_case},
        [&](const json& message) {
          if (message.contains("begin")) {
            current = message.at("begin").get<std::size_t>();
          } else {
            book(message, cases_[current], verdict);
          }
        });
    if (end.done) return cases_.size();
    verdict["failures"].push_back({cases_[current].name(), end.reason});
    return current + 1;
  }

  json run_case(const KernelInfo& kernel, const Case& c) const {
    const auto device = device_with(c.threads);
    const auto support = kernel.supports(c.problem, device);
    if (!support) return {{"unsupported", support.reason()}};
    const auto data = place_data(*c.shape, c.problem, c.kind, options_.seed);
    reset_fp_state(device.threads);
    limit_address_space(options_.memory_bytes, device.threads);
    CaseResult result;
    try {
      result = check_kernel(kernel, c.problem, device, data.tensors, *c.expected);
    } catch (const std::bad_alloc&) {
      result.reason = fmt::format("ran out of memory (limit {} bytes)", options_.memory_bytes);
    }
    unlimit_address_space();
    if (result.passed) result.reason = find_gap_write(*c.shape, data.tensors.o);
    if (!result.reason.empty()) return {{"failed", result.reason}};
    return {{"share", result.tolerance > 0 ? result.max_error / result.tolerance : 0.0}};
  }

  static void book(const json& message, const Case& c, json& verdict) {
    if (message.contains("unsupported")) {
      auto& count = verdict["unsupported"][message.at("unsupported").get<std::string>()];
      count = count.is_null() ? 1 : count.get<int>() + 1;
    } else if (message.contains("failed")) {
      verdict["failures"].push_back({c.name(), message.at("failed")});
    } else {
      verdict["passed"] = verdict["passed"].get<std::int64_t>() + 1;
      const auto share = message.at("share").get<double>();
      if (share <= verdict["worst_share"].get<double>()) return;
      verdict["worst_share"] = share;
      verdict["worst_case"] = c.name();
    }
  }

  const VerifyAllOptions& options_;
  DType dtype_;
  const ChildSend& send_;
  Device device_;
  std::vector<Case> cases_;
};

KernelVerdict read_verdict(const VerifyAllOptions& options, const json& in) {
  KernelVerdict verdict;
  verdict.kernel = options.kernels.at(in.at("kernel").get<std::size_t>());
  verdict.dtype = static_cast<DType>(in.at("dtype").get<int>());
  verdict.passed = in.at("passed").get<std::int64_t>();
  verdict.unsupported = in.at("unsupported").get<std::map<std::string, std::int64_t>>();
  verdict.worst_share = in.at("worst_share").get<double>();
  verdict.worst_case = in.at("worst_case").get<std::string>();
  for (const auto& failure : in.at("failures")) verdict.failures.push_back({failure.at(0), failure.at(1)});
  return verdict;
}

}  // namespace

void verify_all(const VerifyAllOptions& options, const std::function<void(const KernelVerdict&)>& on_verdict,
                const std::function<void(const std::string&)>& on_progress) {
  std::vector<std::function<void(const ChildSend&)>> lanes;
  for (const auto dtype : options.dtypes) {
    lanes.emplace_back([&options, dtype](const ChildSend& send) { Lane(options, dtype, send).run(); });
  }
  const auto ends =
      run_children(lanes, {.seconds = kLaneSilenceSeconds}, [&](std::size_t, const json& message) {
        if (message.contains("progress")) return on_progress(message.at("progress").get<std::string>());
        on_verdict(read_verdict(options, message.at("verdict")));
      });
  for (std::size_t n = 0; n < ends.size(); ++n) {
    if (!ends[n].done) {
      throw std::runtime_error(
          fmt::format("the process verifying {} {}", attnbench::name(options.dtypes[n]), ends[n].reason));
    }
  }
}

}  // namespace attnbench
