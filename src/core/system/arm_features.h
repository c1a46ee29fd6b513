#pragma once

namespace attnbench {

/// Whether this AArch64 CPU has FEAT_BF16, or FEAT_FHM, and the system lets processes use it.
bool has_feat_bf16();
bool has_feat_fhm();

}  // namespace attnbench
