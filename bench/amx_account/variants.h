#pragma once

#include "one_block.h"

/// The AMX kernel whole and in halves.
namespace account {

const attnbench::cpu::fused::SoftmaxPath& whole_path();
/// With tile operations that do nothing: its vector and scalar work alone. Outputs are meaningless.
const attnbench::cpu::fused::SoftmaxPath& path_without_tiles();
/// Tile operations of attend() alone: queries, scores of each unit, values. Between begin() and finish().
void tiles_alone(OneBlock& one);

/// Before and after a thread's tile operations.
void enter_tiles();
void leave_tiles();

/// So many dependent additions, one a cycle.
void add_chain(std::int64_t additions);

}  // namespace account
