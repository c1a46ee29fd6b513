#include "core/ceilings.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/json.h"

namespace attnbench {

using nlohmann::json;

json to_json(const Ceilings& ceilings) {
  auto compute = json::array();
  for (const auto& c : ceilings.compute) {
    compute.push_back({{"unit", c.unit},
                       {"path", c.path},
                       {"dtype", name(c.dtype)},
                       {"flops_per_second", c.flops_per_second}});
  }
  auto bandwidth = json::array();
  for (const auto& b : ceilings.bandwidth) {
    bandwidth.push_back({{"bytes", b.bytes},
                         {"read_bytes_per_second", b.read_bytes_per_second},
                         {"copy_bytes_per_second", b.copy_bytes_per_second}});
  }
  return {{"threads", ceilings.threads}, {"compute", compute}, {"bandwidth", bandwidth}};
}

Ceilings ceilings_from_json(const json& in) {
  Ceilings ceilings;
  ceilings.threads = read_field<int>(in, "threads");
  for (const auto& c : read_field<std::vector<json>>(in, "compute")) {
    ceilings.compute.push_back({read_field<std::string>(c, "unit"), read_field<std::string>(c, "path"),
                                parse_dtype(read_field<std::string>(c, "dtype")),
                                read_field<double>(c, "flops_per_second")});
  }
  for (const auto& b : read_field<std::vector<json>>(in, "bandwidth")) {
    ceilings.bandwidth.push_back({read_field<std::int64_t>(b, "bytes"),
                                  read_field<double>(b, "read_bytes_per_second"),
                                  read_field<double>(b, "copy_bytes_per_second")});
  }
  return ceilings;
}

double compute_ceiling_flops(const Ceilings& ceilings, DType dtype) {
  double greatest = 0;
  for (const auto& c : ceilings.compute) {
    if (c.dtype == DType::f32 || c.dtype == dtype) greatest = std::max(greatest, c.flops_per_second);
  }
  return greatest;
}

double bandwidth_ceiling(const Ceilings& ceilings, double bytes) {
  double greatest = 0;
  for (auto b = ceilings.bandwidth.rbegin(); b != ceilings.bandwidth.rend(); ++b) {
    greatest = std::max({greatest, b->read_bytes_per_second, b->copy_bytes_per_second});
    if (static_cast<double>(b->bytes) <= bytes) break;
  }
  return greatest;
}

}  // namespace attnbench
