#include "run/worker/memory_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <limits>
#include <vector>

#include "attnbench/error.h"
#include "core/system/host.h"
#include "plan/budget.h"
#include "run/environment/control_groups.h"
#include "run/verification/verify_cell.h"

namespace attnbench {
namespace {

/// In the largest unit of which there is at least one.
std::string in_words(std::int64_t bytes) {
  constexpr std::array kUnits{"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.2f} {}", size, kUnits[unit]);
}

std::int64_t usable(std::int64_t available_bytes) { return available_bytes / 5 * 4; }

std::string available_in_words(std::int64_t bytes) {
  return fmt::format("{} are available, of which four fifths are used", in_words(bytes));
}

}  // namespace

std::int64_t available_memory_bytes(const SystemFiles& files) {
  auto available = free_memory_bytes(files);
  if (const auto left = memory_left_in_groups(files); left && (!available || *left < *available))
    available = left;
  return available ? std::max<std::int64_t>(1, *available) : 0;
}

std::string why_tensors_do_not_fit(const Cell& cell, std::int64_t available_bytes) {
  const auto bytes = memory_bytes(cell);
  if (available_bytes == 0 || bytes <= usable(available_bytes)) return {};
  return fmt::format("does not fit in memory: needs {} for this cell's tensors alone; {}", in_words(bytes),
                     available_in_words(available_bytes));
}

void require_cell_that_fits(const Study& study, std::int64_t available_bytes) {
  const auto& cells = study.cells;
  const auto smallest = std::min_element(cells.begin(), cells.end(), [](const auto& a, const auto& b) {
    return memory_bytes(a) < memory_bytes(b);
  });
  if (smallest == cells.end()) return;
  if (const auto why = why_tensors_do_not_fit(*smallest, available_bytes); !why.empty())
    throw InputError(cells.size() == 1 ? "cell" : "smallest cell", smallest->id(), why);
}

std::map<std::string, std::string> kernels_that_do_not_fit(const Cell& cell,
                                                           std::span<const KernelChoice> kernels,
                                                           const Device& device,
                                                           std::int64_t available_bytes) {
  std::map<std::string, std::string> refused;
  struct Need {
    std::string id;
    std::int64_t bytes;
  };
  std::vector<Need> demands;
  const std::int64_t limit =
      available_bytes == 0 ? std::numeric_limits<std::int64_t>::max() : usable(available_bytes);
  const auto no_kernel_fits = why_tensors_do_not_fit(cell, available_bytes);
  for (const auto& choice : kernels) {
    const auto problem = cell.problem(choice.mechanism);
    if (!choice.kernel->supports(problem, device)) continue;
    if (!no_kernel_fits.empty()) {
      refused[choice.id()] = no_kernel_fits;
      continue;
    }
    std::int64_t workspace = 0;
    try {
      workspace = choice.kernel->workspace_bytes(problem, device);
    } catch (const std::exception& error) {
      refused[choice.id()] = fmt::format("cannot say what memory it needs: {}", error.what());
      continue;
    }
    if (workspace < 0) {
      refused[choice.id()] = fmt::format("cannot say what memory it needs: it says {} bytes", workspace);
      continue;
    }
    const auto inputs = verification_input_bytes(problem);
    const auto output = output_bytes(problem);
    constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
    const auto bytes = workspace > kMost - output ? kMost : workspace + output;
    if (bytes > limit - inputs) {
      refused[choice.id()] =
          fmt::format("does not fit in memory: needs {} beside {} of inputs while it is verified; {}",
                      in_words(bytes), in_words(inputs), available_in_words(available_bytes));
    } else {
      demands.push_back({choice.id(), bytes});
    }
  }
  std::stable_sort(demands.begin(), demands.end(),
                   [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  std::int64_t used = memory_bytes(cell);
  for (const auto& [id, bytes] : demands) {
    if (bytes > limit - used) {
      refused[id] = fmt::format(
          "does not fit in memory: needs {} beside {} of this cell's tensors and other kernels; {}",
          in_words(bytes), in_words(used), available_in_words(available_bytes));
    } else {
      used += bytes;
    }
  }
  return refused;
}

}  // namespace attnbench
