#pragma once

#include "store/records.h"

namespace attnbench {

/// What every record must satisfy, whichever file it came from: each throws InputError naming field and
/// value. What analysis and resuming take out of the documents (plan, environment, noise, kernels) has its
/// type.
void check(const RunRecord& run);
/// With its kernels: their problems are valid, no two have one name, at most one is the baseline.
void check(const CellRecord& cell);
/// One of a cell's kernels: its names, and that it computes a valid problem of the cell's shape.
void check_kernel(const CellRecord& cell, const KernelRecord& kernel);
void check(const VerificationRecord& verification);
/// Without its samples.
void check(const ProcessRecord& process);
void check(const SampleRecord& sample);
void check(const FailureRecord& failure);
/// That no cell appears twice, and that what names a cell or a kernel of one finds it. The processes' samples
/// are not looked at.
void check_references(const RunContents& contents);

/// Seconds a call can take: a picosecond to a day.
bool is_call_time(double seconds);
/// How an error says so.
extern const char* const kNoCallTime;

}  // namespace attnbench
