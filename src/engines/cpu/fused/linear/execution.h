#pragma once

#include <cstdint>
#include <memory>

#include "attnbench/host_kernel.h"
#include "engines/cpu/fused/linear/ops.h"

namespace attnbench::cpu::linear {

/// Non-causal: all keys into states, then all queries against them. Threads share the keys of every head
/// alike, add up their states, and share the query rows.
/// Causal: chunk after chunk, the state of the keys before the chunk passes on. Threads take whole heads; the
/// heads left over are cut into segments, whose states are summed first.
std::unique_ptr<HostExecution> prepare(const Problem& problem, const CpuDevice& device, const Ops& ops);
std::int64_t workspace_bytes(const Problem& problem, const CpuDevice& device, const Ops& ops);
/// Products done, padding of head dims left out.
double executed_flops(const Problem& problem, const Ops& ops);

}  // namespace attnbench::cpu::linear
