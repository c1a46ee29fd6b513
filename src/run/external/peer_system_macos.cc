#include "core/affinity.h"
#include "run/external/peer_system.h"

namespace attnbench {

// No signal follows a parent's end here. The program's input ends then, and one that is stopped is sent a
// hang-up and goes on, since its group is orphaned.
void end_with_parent() {}

void run_on(const std::vector<int>&) { prefer_fast_cores(); }

}  // namespace attnbench
