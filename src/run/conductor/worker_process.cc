#include "run/conductor/worker_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "attnbench/error.h"
#include "core/affinity.h"
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

struct Pipe {
  int read_end = -1;
  int write_end = -1;
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
};

/// Names what starts workers: the launcher, or here the program itself.
InputError bad_start(const LaunchOptions& options, const std::string& problem) {
  if (options.launcher.empty()) return {"worker", options.program, problem};
  return {"launcher", fmt::format("{}", fmt::join(options.launcher, " ")), problem};
}

}  // namespace

WorkerEnd worker_end(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    const auto* hint = signal == SIGKILL ? " (out of memory, or killed from outside)" : "";
    return {fmt::format("the worker was ended by signal {} ({}){}", signal, strsignal(signal), hint),
            is_crash(signal)};
  }
  const int code = WEXITSTATUS(status);
  return {fmt::format("the worker ended with exit code {}", code), is_crash(code - 128)};
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
  auto words = options.launcher;
  words.push_back(options.program);
  for (const auto* word : {"worker", "--threads"}) words.emplace_back(word);
  words.push_back(std::to_string(options.threads));
  words.insert(words.end(), {"--layout-seed", std::to_string(layout_seed)});
  for (const auto& plugin : options.plugins) words.insert(words.end(), {"--plugin", plugin});
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  const Pipe down;
  const Pipe up;
  const Pipe start;  // carries errno if the program cannot be started
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error(fmt::format("cannot start a process: {}", std::strerror(errno)));
  if (pid_ == 0) {
    setpgid(0, 0);  // a terminal's Ctrl-C reaches the conductor alone
    dup2(down.read_end, STDIN_FILENO);
    dup2(up.write_end, STDOUT_FILENO);
    std::signal(SIGPIPE, SIG_DFL);
    restore_start_affinity();
    execvp(arguments[0], arguments.data());
    const int error = errno;
    [[maybe_unused]] const auto written = write(start.write_end, &error, sizeof error);
    _exit(127);
  }
  setpgid(pid_, pid_);
  close(down.read_end);
  close(up.write_end);
  close(start.write_end);
  to_worker_ = down.write_end;
  from_worker_ = up.read_end;
  channel_ = LineChannel(from_worker_, to_worker_);
  int error = 0;
  const auto got = read(start.read_end, &error, sizeof error);
  close(start.read_end);
  if (got == sizeof error) {
    close_pipes();
    reap(1);
    throw InputError("launcher", words[0], fmt::format("cannot be started: {}", std::strerror(error)));
  }
}

WorkerProcess::~WorkerProcess() {
  close_pipes();
  reap(2);
}

void WorkerProcess::close_pipes() {
  if (to_worker_ >= 0) close(to_worker_);
  if (from_worker_ >= 0) close(from_worker_);
  to_worker_ = from_worker_ = -1;
}

WorkerEnd WorkerProcess::reap(double patience_seconds) {
  if (pid_ < 0) return {"the worker ended"};
  const auto deadline = Clock::now() + std::chrono::duration<double>(patience_seconds);
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (Clock::now() > deadline) {
      kill(-pid_, SIGKILL);
      waitpid(pid_, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(-pid_, SIGKILL);  // what a launcher may have left in its group
  pid_ = -1;
  return worker_end(status);
}

void WorkerProcess::send(const nlohmann::json& message) {
  if (!channel_.send(message)) throw WorkerLost(busy_with_, stage_, reap(1));
}

LineChannel::Received WorkerProcess::receive_line(std::chrono::steady_clock::duration timeout) {
  try {
    return channel_.receive(std::chrono::duration_cast<std::chrono::milliseconds>(timeout));
  } catch (const NotAMessage& line) {
    throw bad_start(
        options_,
        fmt::format("printed what no worker says, {}; what was measured until then is kept", line.what()));
  }
}

nlohmann::json WorkerProcess::receive(double silence_seconds) {
  const auto beat =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(messages::kHeartbeatSeconds));
  auto silent_until = Clock::now() + std::chrono::duration<double>(silence_seconds);
  while (true) {
    if (interrupted()) throw Interrupted();
    if (Clock::now() >= next_beat_) {
      send({{"type", messages::kHeartbeat}});
      next_beat_ = Clock::now() + beat;
    }
    auto received = receive_line(next_beat_ - Clock::now());
    if (received.event == LineChannel::Event::closed) throw WorkerLost(busy_with_, stage_, reap(2));
    if (received.event == LineChannel::Event::timeout) {
      if (Clock::now() > silent_until) {
        throw WorkerLost(busy_with_, stage_,
                         fmt::format("the worker said nothing for {:g} s", silence_seconds));
      }
      continue;
    }
    auto& message = received.message;
    if (message.value("type", "") == messages::kError) {
      throw WorkerLost(message.value("kernel_id", busy_with_), message.value("stage", stage_),
                       message.value("reason", "no reason given"));
    }
    if (!message.contains("starting")) return std::move(message);
    busy_with_ = message.value("starting", "");
    stage_ = message.value("stage", "");
    silent_until = Clock::now() + std::chrono::duration<double>(silence_seconds);
  }
}

nlohmann::json WorkerProcess::hello(Ask ask) {
  nlohmann::json answer;
  try {
    send({{"type", messages::kHello},
          {"protocol", messages::kProtocol},
          {"probe", ask != Ask::nothing_more},
          {"ceilings", ask == Ask::environment_and_ceilings}});
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
  if (options_.expected) {
    if (const auto other = difference(*options_.expected, worker_identity_from_json(answer))) {
      throw bad_start(options_,
                      fmt::format("started another worker than those before it: the {} was {}, now {}; "
                                  "what was measured until then is kept",
                                  other->what, other->expected, other->found));
    }
  }
  return answer;
}

}  // namespace attnbench
