#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace attnbench::testing_support {

struct CommandResult {
  int exit_code = -1;  ///< 128 + signal when ended by one
  std::string out, err;
};

/// Path of the attnbench program under test.
std::string program();

/// Runs the attnbench program (or `program_file`) with these arguments, waits for it, and returns what it
/// printed. A command that does not end within `limit_seconds` is killed.
CommandResult attnbench(const std::vector<std::string>& arguments, double limit_seconds = 120,
                        const std::string& directory = "", const std::string& program_file = "");

/// The same words with single spaces between them, however the lines were broken.
std::string on_one_line(const std::string& text);

/// Starts it in the background, output discarded; the caller waits for the process.
pid_t start_attnbench(const std::vector<std::string>& arguments);

/// A fresh directory, removed with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// What the file holds; nothing where it is not there.
std::string text_of(const std::string& file);

/// A file for `run --ceilings`: one measurement of this machine, on one thread, serves all tests that are not
/// about measuring ceilings.
std::string ceilings_file();

/// Words of `attnbench run` for a small study whose times do not matter: core scope, f32, one thread, noise
/// accepted, ceilings_file(); then `more`.
std::vector<std::string> small_run(const std::string& out, const std::vector<std::string>& more);

/// Process ids of running `attnbench worker` processes whose command line contains `mark`.
std::vector<pid_t> workers(const std::string& mark);

}  // namespace attnbench::testing_support
