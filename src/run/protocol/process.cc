#include "run/protocol/process.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <thread>

#include "attnbench/error.h"
#include "core/affinity.h"
#include "run/environment/control_groups.h"
#include "run/protocol/messages.h"
#include "run/protocol/spawn.h"

extern char** environ;  // macOS declares it nowhere

namespace attnbench {
namespace {

/// Both ends of a pipe that no program started meanwhile inherits.
struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (!make_pipe(ends)) throw std::system_error(errno, std::generic_category(), "pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    if (read_end >= 0) close(read_end);
    if (write_end >= 0) close(write_end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int read_end = -1;
  int write_end = -1;
};

/// What posix_spawn() is to do besides.
struct SpawnSettings {
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

/// This process's environment with the program's own part in place of what it had of the same names.
std::vector<std::string> environment_of(const Program& program) {
  std::vector<std::string> all;
  for (const auto& [name, value] : program.environment) all.push_back(fmt::format("{}={}", name, value));
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto name = text.substr(0, text.find('='));
    const auto is_set = [&](const auto& own) { return own.first == name; };
    if (std::none_of(program.environment.begin(), program.environment.end(), is_set)) all.emplace_back(text);
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (auto& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

pid_t spawn(const Program& program, int input, int output, int shared_fd) {
  SpawnSettings settings;
  posix_spawn_file_actions_adddup2(&settings.actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&settings.actions, output, STDOUT_FILENO);
  if (shared_fd >= 0) posix_spawn_file_actions_adddup2(&settings.actions, shared_fd, kSharedDescriptor);
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);  // this program ignores it; a launcher may count on it
  posix_spawnattr_setsigdefault(&settings.attributes, &pipe_signal);
  posix_spawnattr_setpgroup(&settings.attributes, 0);
  short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
  inherit_only_what_is_asked(flags, settings.actions);
  posix_spawnattr_setflags(&settings.attributes, flags);

  auto words = program.words;
  auto environment = environment_of(program);
  const auto& file = program.file.empty() ? words.front() : program.file;
  const OnStartCpus wide;
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, file.c_str(), &settings.actions, &settings.attributes,
                                 pointers(words).data(), pointers(environment).data());
  if (error != 0) {
    throw InputError("launcher", words.front(),
                     fmt::format("cannot be started: {}", std::generic_category().message(error)));
  }
  return pid;
}

}  // namespace

std::string ProcessEnd::in_words() const {
  if (out_of_memory) return "was ended by the system, which ran out of memory";
  if (signal == 0) return fmt::format("exited with code {}", exit_code);
  return fmt::format("crashed with SIG{}", signal_abbreviation(signal));
}

Process::Process(const Program& program, int shared_fd)
    : files_(program.files), oom_kills_before_(oom_kills(program.files)), heartbeats_(program.heartbeats) {
  Pipe down;
  Pipe up;
  pid_ = spawn(program, down.read_end, up.write_end, shared_fd);
  to_process_ = std::exchange(down.write_end, -1);
  from_process_ = std::exchange(up.read_end, -1);
  channel_ = LineChannel(from_process_, to_process_);
}

Process::~Process() { end(0); }

LineChannel::Received Process::receive(std::chrono::milliseconds timeout) {
  const auto beat =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(messages::kHeartbeatSeconds));
  const auto until = Clock::now() + timeout;
  while (true) {
    if (heartbeats_ && Clock::now() >= next_beat_) {
      send({{"type", messages::kHeartbeat}});  // where it is gone, what it said last is still to be read
      next_beat_ = Clock::now() + beat;
    }
    const auto next = heartbeats_ ? std::min(until, next_beat_) : until;
    const auto wait = std::max(next - Clock::now(), Clock::duration::zero());
    auto received = channel_.receive(std::chrono::ceil<std::chrono::milliseconds>(wait));
    if (received.event != LineChannel::Event::timeout || Clock::now() >= until) return received;
  }
}

void Process::suspend() {
  if (suspended_ || pid_ < 0) return;
  kill(-pid_, SIGSTOP);
  siginfo_t state{};
  while (waitid(P_PID, static_cast<id_t>(pid_), &state, WSTOPPED | WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  suspended_ = true;
}

void Process::resume() {
  if (!suspended_ || pid_ < 0) return;
  kill(-pid_, SIGCONT);
  suspended_ = false;
}

ProcessEnd Process::end(double patience_seconds) {
  if (pid_ < 0) return end_;
  close(to_process_);
  close(from_process_);
  const auto deadline = Clock::now() + std::chrono::duration<double>(patience_seconds);
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (Clock::now() >= deadline) {
      kill(-pid_, SIGKILL);
      while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
      }
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(-pid_, SIGKILL);  // what a launcher may have left in its group
  pid_ = -1;
  if (WIFSIGNALED(status)) end_.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end_.exit_code = WEXITSTATUS(status);
  end_.out_of_memory =
      end_.signal == SIGKILL && oom_kills_before_ && oom_kills(files_).value_or(0) > *oom_kills_before_;
  return end_;
}

}  // namespace attnbench
