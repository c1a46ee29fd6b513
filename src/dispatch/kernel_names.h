#pragma once

#include <string>
#include <vector>

#include "attnbench/dispatch.h"
#include "attnbench/kernel.h"

namespace attnbench {

/// Of a variable of the environment; empty where it is not set.
std::string environment_value(const char* variable);

/// "fused@cpu:amx".
std::string name_of(const KernelInfo& kernel);

/// A kernel that a caller names, for one mechanism or for all.
struct KernelName {
  std::string text;       ///< as given
  std::string mechanism;  ///< empty: all
  std::string name;

  explicit operator bool() const { return !name.empty(); }
  bool means(const KernelInfo& kernel, const Mechanism& of) const;
};

/// By the policy, else by the variable of the environment; both throw InputError where no kernel has a name,
/// or it does not compute the mechanism named with it.
KernelName forced_name(const Policy& policy);
std::vector<KernelName> denied_names(const Policy& policy);

}  // namespace attnbench
