#include "dispatch/kernel_names.h"

#include <cstdlib>

#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "core/kernel_name.h"

namespace attnbench {
namespace {

/// Throws InputError where no kernel has that name, or it does not compute the mechanism named with it.
KernelName parse_kernel_name(const char* field, const std::string& text) {
  const auto slash = text.find('/');
  if (slash != std::string::npos) {
    parse_kernel_id(text);
    return {text, text.substr(0, slash), text.substr(slash + 1)};
  }
  std::vector<std::string> known;
  for (const auto* kernel : kernels()) {
    if (name_of(*kernel) == text) return {text, {}, text};
    known.push_back(name_of(*kernel));
  }
  throw InputError(field, text, "is not registered" + suggestion(text, known));
}

}  // namespace

std::string environment_value(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

std::string name_of(const KernelInfo& kernel) {
  return implementation_name(kernel.kernel(), kernel.engine(), kernel.path());
}

bool KernelName::means(const KernelInfo& kernel, const Mechanism& of) const {
  return name_of(kernel) == name && (mechanism.empty() || mechanism == to_string(of));
}

std::vector<KernelName> denied_names(const Policy& policy) {
  std::vector<KernelName> names;
  for (const auto& text : policy.denied) names.push_back(parse_kernel_name("denied", text));
  const auto list = environment_value("ATTNBENCH_DENY_KERNELS");
  // A comma in parentheses is a mechanism's.
  int depth = 0;
  std::string word;
  const auto add = [&] {
    if (!word.empty()) names.push_back(parse_kernel_name("ATTNBENCH_DENY_KERNELS", word));
    word.clear();
  };
  for (const char c : list) {
    depth += (c == '(') - (c == ')');
    if (c == ',' && depth == 0) {
      add();
    } else {
      word += c;
    }
  }
  add();
  return names;
}

KernelName forced_name(const Policy& policy) {
  if (!policy.forced.empty()) return parse_kernel_name("forced", policy.forced);
  const auto text = environment_value("ATTNBENCH_FORCE_KERNEL");
  return text.empty() ? KernelName{} : parse_kernel_name("ATTNBENCH_FORCE_KERNEL", text);
}

}  // namespace attnbench
