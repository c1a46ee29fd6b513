#include "core/register_kernel.h"

ATTNBENCH_REGISTER_KERNEL(beta_second) {}
// ATTNBENCH_REGISTER_KERNEL(beta_in_a_comment)
ATTNBENCH_REGISTER_KERNEL(beta_first) {}
