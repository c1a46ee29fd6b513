#include <pthread/qos.h>

#include <algorithm>

#include "attnbench/cpu_device.h"
#include "core/affinity.h"
#include "core/system/topology.h"

namespace attnbench {

std::vector<int> allowed_cpus() {
  auto cpus = online_cpus(SystemFiles());
  if (cpus.empty()) cpus = {0};
  return cpus;
}

// The system binds no threads, so there is nothing to give back.
void restore_start_affinity() {}
OnStartCpus::OnStartCpus() = default;
OnStartCpus::~OnStartCpus() = default;

void prefer_fast_cores() { pthread_set_qos_class_self_np(QOS_CLASS_USER_INTERACTIVE, 0); }

}  // namespace attnbench
