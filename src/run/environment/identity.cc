#include "run/environment/identity.h"

#include "core/system/apple_values.h"

namespace attnbench {

std::string boot_id(const SystemFiles& files) {
  if (const auto id = files.read("/proc/sys/kernel/random/boot_id")) return *id;
  return apple::text(files, "kern.bootsessionuuid").value_or(kNotReadable);
}

}  // namespace attnbench
