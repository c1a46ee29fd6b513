#include "analysis/recheck.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace attnbench {
namespace {

using nlohmann::json;

/// Null where it is not there.
const json* recheck_member(const json& document, const char* name) {
  if (!document.is_object()) return nullptr;
  const auto found = document.find(name);
  return found == document.end() ? nullptr : &*found;
}

std::optional<std::string> recheck_text(const json& document, const char* name) {
  const auto* value = recheck_member(document, name);
  return value != nullptr && value->is_string() ? std::optional(value->get<std::string>()) : std::nullopt;
}

}  // namespace

Recheck recheck_of(std::span<const ProcessRecord* const> processes, const std::string& kernel_id) {
  Recheck result;
  for (const auto* process : processes) {
    if (!process->valid) continue;
    const auto* kernel = recheck_member(*process->kernels, kernel_id.c_str());
    const auto* recheck = kernel == nullptr ? nullptr : recheck_member(*kernel, "recheck");
    if (recheck == nullptr) continue;
    const auto reason = recheck_text(*recheck, "reason").value_or("");
    if (!reason.empty() && result.unranked.empty())
      result.unranked = fmt::format("{}, at the end of process {}", reason, process->process);
    const auto ran = recheck_text(*recheck, "ran");
    const auto known_by = recheck_text(*recheck, "known_by");
    if (!ran || !known_by) continue;
    if (!result.implementation || known_by->empty()) result.implementation = Implementation{*ran, *known_by};
  }
  return result;
}

}  // namespace attnbench
