#include "attnbench/cpu_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "attnbench/error.h"
#include "core/system/topology.h"
#include "engines/cpu/cache_evictor.h"
#include "engines/cpu/ceilings/measure.h"

namespace attnbench {
namespace {

/// Calls are complete when they return.
class SynchronousQueue final : public Queue {
 public:
  void wait() override {}
};

}  // namespace

CpuDevice::CpuDevice() = default;
CpuDevice::CpuDevice(std::vector<int> cpus_to_use, int threads_to_run, const CpuFeatures& usable)
    : cpus(std::move(cpus_to_use)), threads(threads_to_run), features(usable) {}
CpuDevice::~CpuDevice() = default;
CpuDevice::CpuDevice(const CpuDevice& other) : CpuDevice(other.cpus, other.threads, other.features) {}
CpuDevice& CpuDevice::operator=(const CpuDevice& other) {
  cpus = other.cpus;
  threads = other.threads;
  features = other.features;
  evictor_.reset();
  return *this;
}

std::unique_ptr<Queue> CpuDevice::make_queue() const { return std::make_unique<SynchronousQueue>(); }

void CpuDevice::evict() {
  if (!evictor_) evictor_ = std::make_unique<CacheEvictor>(*this);
  evictor_->evict();
}

Ceilings CpuDevice::ceilings() const { return measure_ceilings(*this); }

CpuDevice cpu_device(int threads) {
  const auto allowed = allowed_cpus();
  const SystemFiles files;
  std::set<std::pair<std::int64_t, std::int64_t>> cores;
  std::vector<int> first_of_core;
  std::vector<int> siblings;
  for (const int cpu : allowed)
    (cores.insert(core_of(files, cpu)).second ? first_of_core : siblings).push_back(cpu);
  if (threads == 0) {
    threads = static_cast<int>(std::count_if(first_of_core.begin(), first_of_core.end(),
                                             [&](int cpu) { return is_fastest_kind(files, cpu); }));
  }
  if (threads < 1 || threads > static_cast<int>(allowed.size())) {
    throw InputError("threads", std::to_string(threads),
                     fmt::format("is outside 1..{}, the CPUs this process may use", allowed.size()));
  }
  auto cpus = first_of_core;
  cpus.insert(cpus.end(), siblings.begin(), siblings.end());
  cpus.resize(static_cast<std::size_t>(threads));
  return {std::move(cpus), threads, cpu_features()};
}

std::string to_string(const CpuFeatures& f) {
  std::vector<std::string> names;
  const std::pair<bool, const char*> table[] = {{f.sse42, "sse4.2"},
                                                {f.avx2, "avx2"},
                                                {f.avx512, "avx512"},
                                                {f.avx512_bf16, "avx512_bf16"},
                                                {f.avx512_fp16, "avx512_fp16"},
                                                {f.amx_bf16, "amx_bf16"},
                                                {f.neon, "neon"},
                                                {f.neon_bf16, "neon_bf16"},
                                                {f.neon_fhm, "neon_fhm"}};
  for (const auto& [present, text] : table) {
    if (present) names.emplace_back(text);
  }
  return fmt::format("{}", fmt::join(names, " "));
}

}  // namespace attnbench
