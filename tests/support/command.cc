#include "support/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace attnbench::testing_support {
namespace {

pid_t start(const std::vector<std::string>& arguments, const std::string& out, const std::string& err,
            const std::string& directory, const std::string& program_file = ATTNBENCH_PROGRAM) {
  std::vector<std::string> words = {program_file};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    if (!directory.empty() && chdir(directory.c_str()) != 0) _exit(126);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  return pid;
}

}  // namespace

std::string program() { return ATTNBENCH_PROGRAM; }

CommandResult attnbench(const std::vector<std::string>& arguments, double limit_seconds,
                        const std::string& directory, const std::string& program_file) {
  const TemporaryDirectory scratch;
  const pid_t pid = start(arguments, scratch.file("out"), scratch.file("err"), directory,
                          program_file.empty() ? program() : program_file);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(limit_seconds);
  int status = 0;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const int exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return {exit_code, text_of(scratch.file("out")), text_of(scratch.file("err"))};
}

std::vector<std::string> small_run(const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> words = {"run",     "smoke",      "--accept-noise", "--scope", "core",
                                    "--dtype", "f32",        "--threads",      "1",       "--out",
                                    out,       "--ceilings", ceilings_file()};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string on_one_line(const std::string& text) {
  std::istringstream in(text);
  std::string line;
  for (std::string word; in >> word;) line += (line.empty() ? "" : " ") + word;
  return line;
}

pid_t start_attnbench(const std::vector<std::string>& arguments) {
  return start(arguments, "/dev/null", "/dev/null", "");
}

TemporaryDirectory::TemporaryDirectory() {
  auto pattern = (std::filesystem::temp_directory_path() / "attnbench-XXXXXX").string();
  path_ = mkdtemp(pattern.data());
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string ceilings_file() {
  if (const char* measured = std::getenv("ATTNBENCH_TEST_CEILINGS"))
    return measured;  // of all test processes
  static const TemporaryDirectory directory;
  static const auto file = [] {
    auto name = directory.file("ceilings.json");
    std::ofstream(name) << attnbench({"env", "--json", "--threads", "1"}).out;
    return name;
  }();
  return file;
}

std::vector<pid_t> workers(const std::string& mark) {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; }))
      continue;
    auto command = text_of(entry.path().string() + "/cmdline");
    std::replace(command.begin(), command.end(), '\0', ' ');
    // The program itself: a launcher names it in its later words.
    const auto program_end = command.find(' ');
    constexpr std::string_view kWorker = "attnbench worker ";
    const auto at = command.find(kWorker);
    const bool is_worker = at != std::string::npos && at < program_end;
    if (is_worker && command.find(mark) != std::string::npos) found.push_back(std::stoi(name));
  }
  return found;
}

}  // namespace attnbench::testing_support
