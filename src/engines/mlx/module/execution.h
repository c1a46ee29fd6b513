#pragma once

#include <memory>

#include "engines/mlx/backend.h"

namespace attnbench::mlx {

std::unique_ptr<Execution> make_execution(Form form, const Problem& problem, const Place& place,
                                          const Services& services);

/// Whether the graph of a call holds MLX's fused attention.
bool is_fused(Form form, const Problem& problem, const Place& place, const Services& services);

}  // namespace attnbench::mlx
