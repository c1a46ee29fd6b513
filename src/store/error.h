#pragma once

#include <stdexcept>

namespace attnbench {

/// The store could not do its work for a reason that is not the user's input: disk full, I/O error. The
/// message names the file. What was committed before is intact. Commands exit with 2.
class StoreError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace attnbench
