#pragma once

namespace attnbench {

/// Whether this AArch64 CPU has FEAT_BF16 and the system lets processes use it.
bool has_feat_bf16();

}  // namespace attnbench
