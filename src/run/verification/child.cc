#include "run/verification/child.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>

#include "run/environment/control_groups.h"
#include "run/verification/address_space.h"

namespace attnbench {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// The child's last message: why it ended, empty if with all done.
constexpr const char* kEndKey = "child_end";
constexpr std::string_view kOutOfMemory = "out of memory";

void write_line(int fd, const json& message) {
  auto line = message.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const auto n = write(fd, line.data() + done, line.size() - done);
    if (n < 0 && errno != EINTR) _exit(1);  // the parent is gone
    if (n > 0) done += static_cast<std::size_t>(n);
  }
}

[[noreturn]] void child_main(int fd, pid_t parent, const std::function<void(const ChildSend&)>& work,
                             const ChildLimits& limits) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  for (const int signal_number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM})
    std::signal(signal_number, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);  // a kernel that prints is no wrong kernel because nobody reads it
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  if (limits.memory_bytes > 0) limit_address_space(limits.memory_bytes, limits.threads);
  try {
    work([fd](const json& message) { write_line(fd, message); });
    write_line(fd, {{kEndKey, ""}});
  } catch (const std::bad_alloc&) {
    write_line(fd, {{kEndKey, kOutOfMemory}});
  } catch (const std::exception& error) {
    write_line(fd, {{kEndKey, fmt::format("threw: {}", error.what())}});
  } catch (...) {
    write_line(fd, {{kEndKey, "threw something that is not a std::exception"}});
  }
  _exit(0);
}

std::string describe_status(int status) {
  if (WIFSIGNALED(status)) {
    const auto* abbreviation = sigabbrev_np(WTERMSIG(status));
    return fmt::format("crashed with SIG{}", abbreviation != nullptr ? abbreviation : "?");
  }
  return fmt::format("exited with code {}", WEXITSTATUS(status));
}

/// Splits what the pipe brings into lines.
class LineReader {
 public:
  /// False at end of file.
  bool read_more(int fd) {
    char chunk[65536];
    const auto n = read(fd, chunk, sizeof chunk);
    if (n > 0) pending_.append(chunk, static_cast<std::size_t>(n));
    return n > 0 || (n < 0 && errno == EINTR);
  }
  template <typename Handler>
  void take_lines(Handler handle) {
    std::size_t begin = 0;
    for (auto end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n', begin)) {
      handle(json::parse(pending_.begin() + static_cast<std::ptrdiff_t>(begin),
                         pending_.begin() + static_cast<std::ptrdiff_t>(end)));
      begin = end + 1;
    }
    pending_.erase(0, begin);
  }

 private:
  std::string pending_;
};

pid_t fork_child(int fds[2], const std::function<void(const ChildSend&)>& work, const ChildLimits& limits) {
  if (pipe(fds) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    const int error = errno;
    close(fds[0]);
    close(fds[1]);
    throw std::system_error(error, std::generic_category(), "fork");
  }
  if (pid == 0) {
    close(fds[0]);
    child_main(fds[1], parent, work, limits);
  }
  close(fds[1]);
  return pid;
}

/// The parent's side of one child: whatever happens, the child is ended and waited for.
class Child {
 public:
  Child(const std::function<void(const ChildSend&)>& work, const ChildLimits& limits)
      : limits_(limits), oom_kills_before_(oom_kills(limits.files)) {
    int fds[2];
    pid_ = fork_child(fds, work, limits);
    fd_ = fds[0];
    restart_clock();
  }
  ~Child() {
    close(fd_);
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int fd() const { return fd_; }
  bool running() const { return pid_ >= 0; }
  Clock::time_point deadline() const { return deadline_; }
  const ChildEnd& end() const { return end_; }

  void read_messages(const std::function<void(const json&)>& on_message) {
    const bool open = reader_.read_more(fd_);
    reader_.take_lines([&](const json& message) {
      if (!limits_.seconds_are_total) restart_clock();
      if (!message.contains(kEndKey)) return on_message(message);
      told_end_ = true;
      end_ = end_of(message.at(kEndKey).get<std::string>());
    });
    if (open) return;
    const int status = wait();
    if (told_end_) return;
    end_ = {false, describe_status(status)};
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || !oom_kills_before_) return;
    if (oom_kills(limits_.files).value_or(0) > *oom_kills_before_)
      end_ = {false, "was ended by the system, which ran out of memory", true};
  }

  void end_if_late() {
    if (Clock::now() < deadline_) return;
    kill(pid_, SIGKILL);
    wait();
    end_ = {false, fmt::format("did not finish within {:g} s", limits_.seconds)};
  }

 private:
  void restart_clock() {
    deadline_ = Clock::now() +
                std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limits_.seconds));
  }
  ChildEnd end_of(const std::string& told) const {
    if (told != kOutOfMemory) return {told.empty(), told};
    constexpr double kGiB = 1 << 30;
    const auto limit = static_cast<double>(limits_.memory_bytes) / kGiB;
    return {false, fmt::format("ran out of memory (limit {:.1f} GiB)", limit)};
  }
  int wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

  ChildLimits limits_;
  std::optional<std::int64_t> oom_kills_before_;
  pid_t pid_ = -1;
  int fd_ = -1;
  Clock::time_point deadline_;
  LineReader reader_;
  ChildEnd end_;
  bool told_end_ = false;
};

}  // namespace

std::vector<ChildEnd> run_children(const std::vector<std::function<void(const ChildSend&)>>& works,
                                   const ChildLimits& limits,
                                   const std::function<void(std::size_t, const json&)>& on_message) {
  std::deque<Child> children;
  for (const auto& work : works) children.emplace_back(work, limits);
  while (true) {
    std::vector<pollfd> waiting;
    std::vector<std::size_t> indices;
    auto deadline = Clock::time_point::max();
    for (std::size_t n = 0; n < children.size(); ++n) {
      if (!children[n].running()) continue;
      waiting.push_back({children[n].fd(), POLLIN, 0});
      indices.push_back(n);
      deadline = std::min(deadline, children[n].deadline());
    }
    if (waiting.empty()) break;
    const auto left = std::chrono::duration<double, std::milli>(deadline - Clock::now()).count();
    poll(waiting.data(), waiting.size(), static_cast<int>(std::clamp(left + 1, 0.0, 1e6)));
    for (std::size_t n = 0; n < waiting.size(); ++n) {
      auto& child = children[indices[n]];
      if (waiting[n].revents != 0) {
        child.read_messages([&](const json& message) { on_message(indices[n], message); });
      }
      if (child.running()) child.end_if_late();
    }
  }
  std::vector<ChildEnd> ends;
  for (const auto& child : children) ends.push_back(child.end());
  return ends;
}

ChildEnd run_child(const std::function<void(const ChildSend&)>& work, const ChildLimits& limits,
                   const std::function<void(const json&)>& on_message) {
  return run_children({work}, limits, [&](std::size_t, const json& message) { on_message(message); }).front();
}

}  // namespace attnbench
