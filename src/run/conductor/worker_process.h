#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "attnbench/error.h"
#include "run/protocol/line_channel.h"
#include "run/protocol/messages.h"
#include "run/protocol/process.h"
#include "run/protocol/worker_identity.h"

namespace attnbench {

/// How a worker's process ended.
struct WorkerEnd {
  std::string words;
  bool crashed = false;  ///< by a signal that a program brings upon itself; else perhaps from outside
};
/// A launcher's exit code of 128 + signal counts as the signal.
WorkerEnd worker_end(const ProcessEnd& end);

/// The worker ended, hung or reported an error. Names the kernel it was busy with, where known.
class WorkerLost : public std::runtime_error {
 public:
  WorkerLost(std::string kernel, std::string at_stage, const std::string& reason)
      : std::runtime_error(reason), kernel_id(std::move(kernel)), stage(std::move(at_stage)) {}
  WorkerLost(std::string kernel, std::string at_stage, const WorkerEnd& end)
      : WorkerLost(std::move(kernel), std::move(at_stage), end.words) {
    may_be_from_outside = !end.crashed;
  }
  std::string kernel_id;
  std::string stage;
  bool may_be_from_outside =
      false;  ///< killed, or the launcher's connection dropped: no proof of a bad kernel
};

/// The user asked to stop (SIGINT, SIGTERM).
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

/// How to start workers.
struct LaunchOptions {
  std::vector<std::string> launcher;  ///< words before the program: {"ssh", "host"}; empty: here
  std::string program;                ///< path of attnbench where the worker runs
  int threads = 0;
  std::vector<std::string> plugins;
  std::optional<WorkerIdentity> expected;  ///< who must answer; not given: whoever does
};

/// So many workers in a row may end before a kernel begins; a connection may fail for a moment.
inline constexpr int kMostStartupFailures = 3;
/// To throw after that: the machine's or the launcher's fault and no kernel's. `store` keeps what was
/// measured.
InputError workers_do_not_start(const LaunchOptions& options, const std::string& reason,
                                const std::string& store);

/// What a worker is to tell of its machine besides who it is.
enum class Ask { nothing_more, environment, environment_and_ceilings };

/// A running worker and the conversation with it. The destructor leaves no process behind.
class WorkerProcess {
 public:
  /// Throws InputError if the launcher cannot be started.
  WorkerProcess(const LaunchOptions& options, std::uint64_t layout_seed);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  void send(const nlohmann::json& message);
  /// The next message, notices of what starts excepted. Throws WorkerLost if the worker ends, reports an
  /// error, or says nothing for `silence_seconds`; InputError for a line that no worker says; Interrupted on
  /// SIGINT or SIGTERM.
  nlohmann::json receive(double silence_seconds);
  /// Sends hello and returns the answer, with what else was asked for, and with what these devices are.
  /// Throws InputError if what comes back through a launcher is no worker's answer, or the worker is not the
  /// expected one: its program, plugin, machine or CPU set is not what the run began with.
  messages::Welcome hello(Ask ask, const std::vector<std::string>& devices = {});

 private:
  LineChannel::Received receive_line();
  /// Of a worker that is gone.
  WorkerLost lost();

  LaunchOptions options_;
  std::optional<Process> process_;
  std::string busy_with_, stage_;
};

/// Installs the handlers that make receive() throw Interrupted; a second signal ends the program at once.
void catch_interrupts();
bool interrupted();

}  // namespace attnbench
