#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tune/subjects.h"

namespace attnbench {

inline double seconds_to(std::chrono::steady_clock::time_point end) {
  return std::chrono::duration<double>(end - std::chrono::steady_clock::now()).count();
}

/// In random order, so many that a round of them takes so long: each group is measured to its end before the
/// next, so that where the machine is slower than was expected some problems are left and not all.
std::vector<std::vector<Subject*>> groups_of(const std::vector<Subject*>& all, double seconds,
                                             std::uint64_t seed);

/// Times subjects in rounds of fresh processes, each problem in one process a round.
class Rounds {
 public:
  using Clock = std::chrono::steady_clock;
  Rounds(const TuneOptions& options, Places& places,
         const std::function<void(const std::string&)>& on_progress)
      : options_(options), places_(places), on_progress_(on_progress) {}

  /// So many more processes for each, or as many as there is time for. Each round is in chunks of another
  /// random order; a disturbed one is measured once more at the end of its round.
  void measure(const std::vector<Subject*>& subjects, int rounds, Clock::time_point until);

  int processes() const { return processes_; }
  int rejected() const { return rejected_; }             ///< of them, for noise
  const std::string& failed() const { return failed_; }  ///< a kernel, while it was timed; empty: none

  static constexpr int kFewest = 4;
  /// Times by kernel from the process `from` on, an even number of them.
  static std::vector<std::vector<double>> by_kernel(const Subject& subject, std::size_t from);

 private:
  bool measure_process(const std::vector<Subject*>& chunk, Clock::time_point until);

  const TuneOptions& options_;
  Places& places_;
  const std::function<void(const std::string&)>& on_progress_;
  int processes_ = 0, rejected_ = 0;
  std::string failed_;
};

}  // namespace attnbench
