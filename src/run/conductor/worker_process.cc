#include "run/conductor/worker_process.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "run/protocol/messages.h"

namespace attnbench {
namespace {

using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t g_interrupts = 0;

void on_interrupt(int signal) {
  g_interrupts = g_interrupts + 1;
  if (g_interrupts > 1) {
    std::signal(signal, SIG_DFL);
    raise(signal);
  }
}

bool is_crash(int signal) {
  return signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS || signal == SIGFPE || signal == SIGILL;
}

/// Names what starts workers: the launcher, or here the program itself.
InputError bad_start(const LaunchOptions& options, const std::string& problem) {
  if (options.launcher.empty()) return {"worker", options.program, problem};
  return {"launcher", fmt::format("{}", fmt::join(options.launcher, " ")), problem};
}

/// Where no kernel is to be named, the step is.
std::string in_step(const std::string& kernel_id, const std::string& stage, const std::string& reason) {
  if (!kernel_id.empty() || stage.empty()) return reason;
  return fmt::format("{}, while {}", reason, stage);
}

}  // namespace

WorkerEnd worker_end(const ProcessEnd& end) {
  if (end.signal != 0) {
    const auto* hint = end.signal == SIGKILL ? " (out of memory, or killed from outside)" : "";
    return {fmt::format("the worker was ended by signal {} ({}){}", end.signal, strsignal(end.signal), hint),
            is_crash(end.signal)};
  }
  return {fmt::format("the worker ended with exit code {}", end.exit_code), is_crash(end.exit_code - 128)};
}

InputError workers_do_not_start(const LaunchOptions& options, const std::string& reason,
                                const std::string& store) {
  return bad_start(options,
                   fmt::format("lost {} workers in a row before a kernel began: {}; what was measured "
                               "is kept in {}, name it with --out to go on",
                               kMostStartupFailures, reason, store));
}

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGHUP, SIG_IGN);  // a terminal that goes away takes its messages with it, not the measurement
}

bool interrupted() { return g_interrupts > 0; }

WorkerProcess::WorkerProcess(const LaunchOptions& options, std::uint64_t layout_seed) : options_(options) {
  Program program;
  auto& words = program.words = options.launcher;
  words.push_back(options.program);
  for (const auto* word : {"worker", "--threads"}) words.emplace_back(word);
  words.push_back(std::to_string(options.threads));
  words.insert(words.end(), {"--layout-seed", std::to_string(layout_seed)});
  for (const auto& plugin : options.plugins) words.insert(words.end(), {"--plugin", plugin});
  process_.emplace(program);
}

WorkerProcess::~WorkerProcess() {
  constexpr double kPatienceSeconds = 2;
  process_->end(kPatienceSeconds);
}

WorkerLost WorkerProcess::lost() {
  constexpr double kPatienceSeconds = 2;
  auto end = worker_end(process_->end(kPatienceSeconds));
  end.words = in_step(busy_with_, stage_, end.words);
  return {busy_with_, stage_, end};
}

void WorkerProcess::send(const nlohmann::json& message) {
  if (!process_->send(message)) throw lost();
}

LineChannel::Received WorkerProcess::receive_line() {
  // As long as a user waits for the answer to a Ctrl-C.
  constexpr std::chrono::milliseconds kTick{1000};
  try {
    return process_->receive(kTick);
  } catch (const NotAMessage& line) {
    throw bad_start(
        options_,
        fmt::format("printed what no worker says, {}; what was measured until then is kept", line.what()));
  }
}

nlohmann::json WorkerProcess::receive(double silence_seconds) {
  auto silent_until = Clock::now() + std::chrono::duration<double>(silence_seconds);
  while (true) {
    if (interrupted()) throw Interrupted();
    auto received = receive_line();
    if (received.event == LineChannel::Event::closed) throw lost();
    if (received.event == LineChannel::Event::timeout) {
      if (Clock::now() > silent_until) {
        throw WorkerLost(
            busy_with_, stage_,
            in_step(busy_with_, stage_, fmt::format("the worker said nothing for {:g} s", silence_seconds)));
      }
      continue;
    }
    auto& message = *received.message;
    if (messages::is<messages::Error>(message)) {
      const auto error = messages::read<messages::Error>(message);
      throw WorkerLost(error.kernel_id, error.stage, in_step(error.kernel_id, error.stage, error.reason));
    }
    if (!messages::is<messages::Starting>(message)) return std::move(message);
    auto starting = messages::read<messages::Starting>(message);
    busy_with_ = std::move(starting.kernel_id);
    stage_ = std::move(starting.stage);
    silent_until = Clock::now() + std::chrono::duration<double>(silence_seconds);
  }
}

messages::Welcome WorkerProcess::hello(Ask ask, const std::vector<std::string>& devices) {
  nlohmann::json answer;
  try {
    send(to_json(messages::Hello{.probe = ask != Ask::nothing_more,
                                 .ceilings = ask == Ask::environment_and_ceilings,
                                 .devices = devices}));
    constexpr double kPatienceSeconds = 60;
    answer = receive(kPatienceSeconds);
  } catch (const WorkerLost& lost) {
    // One that has worked before may fail for a moment.
    if (ask == Ask::nothing_more) throw;
    throw bad_start(options_, fmt::format("did not start a worker: {}", lost.what()));
  }
  if (!options_.launcher.empty() && !answer.contains("machine_key"))
    throw bad_start(options_, fmt::format("printed what no worker says, '{}'", answer.dump()));
  const auto protocol = answer.value("protocol", 0);
  if (protocol != messages::kProtocol) {
    throw InputError("protocol", std::to_string(protocol),
                     fmt::format("of the worker is not this program's {}", messages::kProtocol));
  }
  auto welcome = messages::read<messages::Welcome>(answer);
  if (ask != Ask::nothing_more && !welcome.identity.plugins_not_loaded.empty())
    throw bad_start(options_,
                    "could not load a plugin: " + welcome.identity.plugins_not_loaded.begin()->second);
  if (options_.expected) {
    if (const auto other = difference(*options_.expected, welcome.identity)) {
      throw bad_start(options_,
                      fmt::format("started another worker than those before it: the {} was {}, now {}; "
                                  "what was measured until then is kept",
                                  other->what, other->expected, other->found));
    }
  }
  return welcome;
}

}  // namespace attnbench
