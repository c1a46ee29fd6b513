#pragma once

#include <cstdint>
#include <vector>

namespace attnbench {

/// A Williams design (Williams 1949, "Experimental designs balanced for the estimation of residual effects of
/// treatments"): `treatments` rows where that number is even, twice as many where it is odd. Each row is a
/// permutation of 0 .. treatments-1; over all rows every treatment follows every other equally often and
/// stands at every position equally often.
std::vector<std::vector<int>> williams_design(int treatments);

/// The orders of one process's blocks. Blocks of all processes walk through the rows of a randomised Williams
/// design without replacement; when all rows are used, treatments are relabelled and rows shuffled anew.
/// Depends on its arguments alone, so a resumed process gets the order it was planned with.
/// Pre: treatments >= 1, process >= 0, blocks >= 0.
std::vector<std::vector<int>> block_orders(int treatments, std::uint64_t seed, int process, int blocks);

}  // namespace attnbench
