#pragma once

#include <cstdint>
#include <string>

namespace attnbench::simulation {

/// How often something happened, with what chance leaves open: the 99.9 % interval of Clopper and Pearson
/// (1934, "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial").
class Rate {
 public:
  void count(bool happened) {
    ++trials_;
    if (happened) ++events_;
  }
  void add(const Rate& other) {
    trials_ += other.trials_;
    events_ += other.events_;
  }

  double value() const { return static_cast<double>(events_) / static_cast<double>(trials_); }
  double low() const;
  double high() const;
  /// "94.8 % [94.3, 95.3] of 20000".
  std::string text() const;

 private:
  std::int64_t events_ = 0;
  std::int64_t trials_ = 0;
};

/// Prints a line, so that a log of the tests is a table of the method's properties.
void report(const std::string& what, const Rate& rate);

}  // namespace attnbench::simulation
