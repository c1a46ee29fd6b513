#include "engines/cuda/cuda_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "core/register_kernel.h"
#include "engines/cuda/ceilings.h"
#include "engines/cuda/cublaslt.h"
#include "engines/cuda/cuda_error.h"
#include "engines/cuda/nvml.h"

namespace attnbench::cuda {
namespace {

constexpr std::string_view kPrefix = "cuda:";
/// Kernels are built for this compute capability alone.
constexpr int kMajor = 9, kMinor = 0;

std::string version(int number) { return fmt::format("{}.{}", number / 1000, number % 1000 / 10); }

/// Which devices there are, and why there are not more.
struct Found {
  std::vector<int> numbers;
  std::string why_none;
};

Found find_devices() {
  Found found;
  int count = 0;
  if (const auto error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    cudaGetLastError();
    found.why_none = fmt::format("{} ({})", cudaGetErrorString(error), cudaGetErrorName(error));
    return found;
  }
  for (int number = 0; number < count; ++number) {
    int major = 0, minor = 0;
    cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, number);
    cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, number);
    if (major == kMajor && minor == kMinor) {
      found.numbers.push_back(number);
    } else {
      found.why_none = fmt::format("GPU {} has compute capability {}.{}, kernels are built for {}.{}", number,
                                   major, minor, kMajor, kMinor);
    }
  }
  if (!found.numbers.empty()) found.why_none.clear();
  return found;
}

class CudaDevices final : public DeviceProvider {
 public:
  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const int number : find_devices().numbers) all.push_back(fmt::format("{}{}", kPrefix, number));
    return all;
  }
  std::unique_ptr<Device> open(std::string_view name) const override {
    return std::make_unique<CudaDevice>(std::stoi(std::string(name.substr(kPrefix.size()))));
  }
  std::string why_none() const override {
    const auto why = find_devices().why_none;
    return why.empty() ? why : "cuda: " + why;
  }
};

}  // namespace

CudaQueue::CudaQueue(int device) {
  check(cudaSetDevice(device), "cudaSetDevice");
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

CudaQueue::~CudaQueue() { cudaStreamDestroy(stream_); }

void CudaQueue::wait() { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

CudaDevice::CudaDevice(int number) : number_(number) {
  use();
  check(cudaGetDeviceProperties(&properties_, number), "cudaGetDeviceProperties");
  std::array<char, 32> bus{};
  check(cudaDeviceGetPCIBusId(bus.data(), bus.size(), number), "cudaDeviceGetPCIBusId");
  pci_bus_id_ = bus.data();
}

void CudaDevice::use() const { check(cudaSetDevice(number_), "cudaSetDevice"); }

std::string CudaDevice::name() const { return fmt::format("{}{}", kPrefix, number_); }

std::map<std::string, std::string> CudaDevice::identity() const {
  int driver = 0, runtime = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  std::map<std::string, std::string> identity{
      {"model", properties_.name},
      {"compute_capability", fmt::format("{}.{}", properties_.major, properties_.minor)},
      {"multiprocessors", std::to_string(properties_.multiProcessorCount)},
      {"l2_bytes", std::to_string(properties_.l2CacheSize)},
      {"memory_bytes", std::to_string(properties_.totalGlobalMem)},
      {"driver_cuda", version(driver)},
      {"runtime_cuda", version(runtime)},
      {"cublaslt", cublaslt().version()}};
  if (const auto text = nvml_driver_version(); !text.empty()) identity["driver"] = text;
  return identity;
}

std::unique_ptr<Queue> CudaDevice::make_queue() const { return std::make_unique<CudaQueue>(number_); }

std::int64_t CudaDevice::free_bytes() const {
  use();
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return static_cast<std::int64_t>(free);
}

void CudaDevice::evict() {
  use();
  const auto bytes = 2 * std::int64_t{properties_.l2CacheSize};
  if (sweep_.data() == nullptr) sweep_ = DeviceMemory(bytes);
  check(cudaMemset(sweep_.data(), 0, static_cast<std::size_t>(bytes)), "cudaMemset");
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

Ceilings CudaDevice::ceilings() const {
  use();
  return measure_ceilings(*this);
}

std::map<std::string, double> CudaDevice::probe() const { return nvml_readings(pci_bus_id_); }

const CudaDevice* cuda_device(const Device& device) { return dynamic_cast<const CudaDevice*>(&device); }

Support basic_support(const Problem& problem, const Device& device) {
  const auto& s = problem.shape;
  if (cuda_device(device) == nullptr) return Support::no("computes on CUDA devices alone");
  if (problem.scope != Scope::core) return Support::no("core scope only");
  if (s.dtype_kv != s.dtype_q || s.dtype_o != s.dtype_q) {
    return Support::no("needs one element type for q, k, v and o");
  }
  constexpr auto kMost = std::numeric_limits<std::int32_t>::max();
  if (s.batch * s.num_q_heads > 65535) return Support::no("batch x num_q_heads is above 65535");
  if (std::max(s.seqlen_q, s.seqlen_kv) > kMost / 4) return Support::no("sequences are above 2^29");
  return Support::yes();
}

}  // namespace attnbench::cuda

ATTNBENCH_REGISTER_DEVICES(cuda_devices) {
  static const attnbench::cuda::CudaDevices devices;
  return devices;
}
