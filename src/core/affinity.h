#pragma once

namespace attnbench {

/// Gives the calling thread the CPUs back that the process started with (see allowed_cpus()): a program it
/// then starts inherits them, whatever a thread pool has bound since. Calls nothing but the system.
void restore_start_affinity();

}  // namespace attnbench
