#pragma once

#include <cstdlib>
#include <string>

namespace attnbench::testing_support {

/// A variable of the environment, for the programs that are started while this lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

}  // namespace attnbench::testing_support
