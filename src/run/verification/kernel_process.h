#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "attnbench/error.h"
#include "run/protocol/process.h"

namespace attnbench {

/// A worker that runs one kernel for the worker, or the command, that verifies it: whatever the kernel does,
/// it ends no other process.
class KernelProcess {
 public:
  /// The program is a worker; `shared_fd` holds the cases. Throws InputError where it cannot be started, or
  /// ends before it knows of the kernel, unless for want of memory.
  KernelProcess(const Program& program, int shared_fd);

  /// How the process ended, empty while it lives: "crashed with SIGSEGV", "did not finish within 60 s",
  /// "threw: ...", "ran out of memory (limit 1.5 GiB)", "was ended by the system, which ran out of memory".
  const std::string& end() const { return end_; }
  /// The system ended it for want of memory, whatever it did with its own.
  bool system_out_of_memory() const { return system_out_of_memory_; }

  void ask(const nlohmann::json& message);
  /// The next answer; null where the process ended instead, as it does where it gives none within the time.
  /// `on_doing` is told what the kernel is about to do. Throws InputError for what no worker answers.
  nlohmann::json answer(double seconds, const std::function<void(const std::string&)>& on_doing = {});

 private:
  InputError bad_worker(const std::string& problem) const;
  nlohmann::json receive(std::chrono::steady_clock::time_point deadline, const std::string& if_late);
  void ended(const std::string& reason);

  std::string command_;
  Process process_;
  std::string end_;
  bool system_out_of_memory_ = false;
};

}  // namespace attnbench
