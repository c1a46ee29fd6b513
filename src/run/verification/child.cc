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
#include <fstream>
#include <new>
#include <system_error>

namespace attnbench {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr const char* kEndKey = "child_end";

void limit_address_space(std::int64_t more_bytes) {
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const auto bytes = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE) + more_bytes);
  const rlimit limit{bytes, bytes};
  setrlimit(RLIMIT_AS, &limit);
}

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
  for (const int signal_number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM, SIGPIPE}) {
    std::signal(signal_number, SIG_DFL);
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  if (limits.memory_bytes > 0) limit_address_space(limits.memory_bytes);
  try {
    work([fd](const json& message) { write_line(fd, message); });
    write_line(fd, {{kEndKey, ""}});
  } catch (const std::bad_alloc&) {
    write_line(fd, {{kEndKey, "memory"}});
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

/// Owns the parent's side: whatever happens, the child is ended and waited for.
class Child {
 public:
  Child(pid_t pid, int fd) : pid_(pid), fd_(fd) {}
  ~Child() {
    close(fd_);
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      wait();
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int fd() const { return fd_; }
  void end() const { kill(pid_, SIGKILL); }
  int wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
  int fd_;
};

}  // namespace

ChildEnd run_child(const std::function<void(const ChildSend&)>& work, const ChildLimits& limits,
                   const std::function<void(const json&)>& on_message) {
  int fds[2];
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
  Child child(pid, fds[0]);

  const std::chrono::duration<double> limit(limits.seconds);
  auto deadline = Clock::now() + limit;
  LineReader reader;
  ChildEnd end;
  bool ended = false;
  const auto handle = [&](const json& message) {
    if (!limits.seconds_are_total) deadline = Clock::now() + limit;
    if (!message.contains(kEndKey)) return on_message(message);
    ended = true;
    end.reason = message.at(kEndKey).get<std::string>();
    end.done = end.reason.empty();
    if (end.reason == "memory") {
      constexpr double kGiB = 1 << 30;
      end.reason = fmt::format("ran out of memory (limit {:.1f} GiB)",
                               static_cast<double>(limits.memory_bytes) / kGiB);
    }
  };
  while (true) {
    const auto left = std::chrono::duration<double, std::milli>(deadline - Clock::now()).count();
    if (left <= 0) {
      child.end();
      child.wait();
      return {false, fmt::format("did not finish within {:g} s", limits.seconds)};
    }
    pollfd waiting{child.fd(), POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::min(left + 1, 1e6)));
    if (ready <= 0) continue;
    if (!reader.read_more(child.fd())) break;
    reader.take_lines(handle);
  }
  const int status = child.wait();
  return ended ? end : ChildEnd{false, describe_status(status)};
}

}  // namespace attnbench
