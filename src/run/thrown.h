#pragma once

#include <exception>
#include <new>
#include <string>

namespace attnbench {

/// Runs what a plugin does, and says in words what it throws: "threw: no such instruction". Empty where it
/// throws nothing. Passes std::bad_alloc on, whose reason depends on the limit.
template <typename Work>
std::string thrown(Work work) {
  try {
    work();
    return {};
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    const std::string what = error.what();
    return what.empty() ? "threw an exception without a text" : "threw: " + what;
  } catch (...) {
    return "threw something that is not a std::exception";
  }
}

}  // namespace attnbench
