#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/system/system_files.h"

namespace attnbench {

/// What the machine, its operating system and this build are; stored with a run. What the system does not
/// tell reads "not readable". Holds no host name, user name or path.
///
/// cpu: vendor, model, family, model_number, stepping, flags (those that matter here), features (usable),
///      packages, physical_cores, logical_cpus, allowed_cpus, smt, governor, turbo, hypervisor,
///      caches [{level, type, bytes, cpus}], numa_nodes [{node, cpus}] (cpus as "0-3,8"),
///      core_kinds [{name, physical_cores, logical_cpus, l2_bytes, cpus_per_l2}], the fastest first, where
///      the system tells kinds of cores apart: CPUs are then numbered in that order
/// memory: total_bytes, transparent_huge_pages, page_bytes (macOS);  os: name, kernel
/// build: version, commit, compiler, build_id, pool;  libraries: onednn, highway, sqlite, fmt
/// openmp: runtimes (loaded), variables (in force)
/// `commit`: that the running program was built from, "-dirty" added where it is not quite that one, or
/// "unknown".
nlohmann::json probe_environment(const std::string& commit, const SystemFiles& files = SystemFiles());

}  // namespace attnbench
