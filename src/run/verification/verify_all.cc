#include "run/verification/verify_all.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "attnbench/registry.h"
#include "run/external/kernel_worker.h"
#include "run/protocol/messages.h"
#include "run/thrown.h"
#include "run/verification/check.h"
#include "run/verification/kernel_process.h"
#include "run/verification/placement.h"
#include "run/verification/shared_cases.h"

namespace attnbench {
namespace {

using reference::InputKind;

/// One (mechanism, shape, input) in the lane's element type.
struct Case {
  const VerifyShape* shape = nullptr;
  Problem problem;
  InputKind kind = InputKind::normal;
  int threads = 1;
  bool supported = false;       ///< by some kernel: it has an expectation
  std::size_t expected_at = 0;  ///< in the lane's shared memory

  std::string name() const {
    return fmt::format("{} {} '{}' on {} thread{}", shape->name, to_string(problem.mechanism),
                       reference::name(kind), threads, threads == 1 ? "" : "s");
  }
};

std::vector<Case> make_cases(const VerifyAllOptions& options, DType dtype) {
  auto host = cpu_device(1);
  host.cpus = allowed_cpus();
  std::vector<Case> cases;
  std::size_t turn = 0;
  for (const auto& shape : options.shapes) {
    for (const auto& problem : shape.problems(dtype)) {
      if (std::find(options.mechanisms.begin(), options.mechanisms.end(), problem.mechanism.kind) ==
          options.mechanisms.end()) {
        continue;
      }
      for (const auto kind : reference::all_input_kinds()) {
        host.threads = turn++ % 2 == 0 ? options.threads : 1;
        const auto device = open_device(options.device, host);
        const auto supports = [&](const KernelInfo* kernel) {
          if (!computes(*kernel, problem.mechanism.kind)) return false;
          bool supported = true;  // one that throws is asked again where that costs its own row
          thrown([&] { supported = static_cast<bool>(kernel->supports(problem, *device)); });
          return supported;
        };
        const bool supported = std::any_of(options.kernels.begin(), options.kernels.end(), supports);
        cases.push_back({&shape, problem, kind, host.threads, supported, 0});
      }
      ++turn;  // kinds are even in number: each takes both thread counts
    }
  }
  return cases;
}

/// What the lanes tell, one at a time.
struct Listeners {
  std::mutex mutex;
  const std::function<void(const KernelVerdict&)>& on_verdict;
  const std::function<void(const std::string&)>& on_progress;

  void verdict(const KernelVerdict& verdict) {
    const std::lock_guard lock(mutex);
    on_verdict(verdict);
  }
  void progress(const std::string& line) {
    const std::lock_guard lock(mutex);
    on_progress(line);
  }
};

/// All that is done in one element type, one kernel after another.
class Lane {
 public:
  Lane(const VerifyAllOptions& options, DType dtype, Listeners& listeners)
      : options_(options), dtype_(dtype), listeners_(listeners), cases_(make_cases(options, dtype)) {}

  void run() {
    const auto dtype = attnbench::name(dtype_);
    listeners_.progress(fmt::format("{}: expected results of {} shapes", dtype, options_.shapes.size()));
    for (auto& c : cases_) expect_result(c);
    expected_.seal();
    for (const auto* kernel : options_.kernels) {
      listeners_.progress(fmt::format("{}: {}@{}", dtype, kernel->kernel(), kernel->engine()));
      listeners_.verdict(verify(*kernel));
    }
  }

 private:
  void expect_result(Case& c) {
    if (!c.supported) return;
    const auto data = place_data(*c.shape, c.problem, c.kind, options_.seed);
    c.expected_at = expected_.position();
    put(expected_, expect(c.problem, data.tensors, reference::sample_rows(c.problem)));
  }

  KernelVerdict verify(const KernelInfo& kernel) const {
    KernelVerdict verdict;
    verdict.kernel = &kernel;
    verdict.dtype = dtype_;
    std::vector<const Case*> mine;
    for (const auto& c : cases_) {
      if (computes(kernel, c.problem.mechanism.kind)) mine.push_back(&c);
    }
    std::size_t next = 0;
    for (int restarts = 0; next < mine.size(); ++restarts) {
      if (restarts > kMostRestarts) {
        verdict.failures.push_back({"the cases after", "not run: it was given up"});
        break;
      }
      next = verify_from(next, kernel, mine, verdict);
    }
    return verdict;
  }

  /// Runs cases from `next` in one process and returns the first case that no process has begun.
  std::size_t verify_from(std::size_t next, const KernelInfo& kernel, const std::vector<const Case*>& cases,
                          KernelVerdict& verdict) const {
    // So few that the question fits into a pipe, so many that asking takes no time.
    constexpr std::size_t kCasesAtOnce = 32;
    KernelProcess process(worker_for(kernel, options_.worker), expected_.descriptor());
    for (std::size_t asked = next; next < cases.size(); ++next) {
      if (next == asked) {
        asked = std::min(asked + kCasesAtOnce, cases.size());
        process.ask(to_json(question(kernel, {cases.begin() + static_cast<std::ptrdiff_t>(next),
                                              cases.begin() + static_cast<std::ptrdiff_t>(asked)})));
      }
      const auto answer = process.answer(options_.seconds_per_case);
      if (!process.end().empty()) {
        verdict.failures.push_back({cases[next]->name(), process.end()});
        return next + 1;
      }
      book(messages::read<messages::Checked>(answer), *cases[next], verdict);
    }
    return next;
  }

  messages::Check question(const KernelInfo& kernel, const std::vector<const Case*>& cases) const {
    messages::Check check;
    check.kernel = {cases.front()->problem.mechanism, std::string(kernel.kernel()),
                    std::string(kernel.engine()), std::string(kernel.path())};
    check.device = options_.device;
    check.memory_bytes = options_.memory_bytes;
    check.seed = options_.seed;
    for (const auto* c : cases) {
      const auto& shape = *c->shape;
      check.cases.push_back({c->problem, c->kind, shape.keys, shape.row_stride, shape.batch_stride,
                             c->threads, c->expected_at});
    }
    return check;
  }

  static void book(const messages::Checked& result, const Case& c, KernelVerdict& verdict) {
    if (!result.unsupported.empty()) {
      ++verdict.unsupported[result.unsupported];
    } else if (!result.failed.empty()) {
      verdict.failures.push_back({c.name(), result.failed});
    } else {
      const bool other = !verdict.kernel->other_function(c.problem).empty();
      ++(other ? verdict.other_function : result.unranked.empty() ? verdict.passed : verdict.less_exact);
      if (!result.unranked.empty() && result.share >= verdict.unranked_share) {
        verdict.unranked = {c.name(), result.unranked};
        verdict.unranked_share = result.share;
      }
      if (result.share <= verdict.worst_share) return;
      verdict.worst_share = result.share;
      verdict.worst_case = c.name();
    }
  }

  const VerifyAllOptions& options_;
  DType dtype_;
  Listeners& listeners_;
  std::vector<Case> cases_;
  SharedWriter expected_;
};

}  // namespace

void verify_all(const VerifyAllOptions& options, const std::function<void(const KernelVerdict&)>& on_verdict,
                const std::function<void(const std::string&)>& on_progress) {
  Listeners listeners{{}, on_verdict, on_progress};
  std::deque<Lane> lanes;
  for (const auto dtype : options.dtypes) lanes.emplace_back(options, dtype, listeners);
  std::vector<std::exception_ptr> errors(lanes.size());
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < lanes.size(); ++n) {
    threads.emplace_back([&lane = lanes[n], &error = errors[n]] {
      try {
        lane.run();
      } catch (...) {
        error = std::current_exception();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace attnbench
