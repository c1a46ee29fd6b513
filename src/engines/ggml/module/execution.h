#pragma once

#include <memory>

#include "engines/ggml/backend.h"

namespace attnbench::ggml {

std::unique_ptr<Execution> make_execution(Form form, const Problem& problem, int threads,
                                          const Services& services);

/// Of an execution: its mask, what operations hand to each other, ggml's own.
std::int64_t workspace_bytes(Form form, const Problem& problem, int threads);

}  // namespace attnbench::ggml
