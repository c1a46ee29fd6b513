#!/usr/bin/env bash
# Plants each kind of violation in an otherwise clean tree and expects tools/check_includes.sh to name it.
set -euo pipefail
check=$(cd "$(dirname "$0")/../.." && pwd)/tools/check_includes.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

clean_tree() {
  rm -rf "${tree:?}"/*
  mkdir -p "$tree"/{include/attnbench,apps/attnbench,src/{core,run,report,store,engines/{cpu/fused,cudnn,onednn}}}
  echo '#include "attnbench/shape.h"' >"$tree/src/core/shape.cc"
  echo '#include <hwy/highway.h>' >"$tree/src/engines/cpu/softmax.cc"
  echo '#include "engines/cpu/softmax.h"' >"$tree/src/engines/cpu/fused/mha.cc"
  printf '#include <cudnn.h>\n#include "engines/cuda/execution.h"\n' >"$tree/src/engines/cudnn/sdpa.cc"
  printf '#include "commands.h"\n#include "run/conductor.h"\n' >"$tree/apps/attnbench/run.cc"
  echo '#include "plan/study.h"' >"$tree/src/store/store.h"
}

# expect_violation FILE LINE: with LINE added to FILE the check fails and names FILE.
expect_violation() {
  clean_tree
  mkdir -p "$tree/$(dirname "$1")"
  printf '%s\n' "$2" >>"$tree/$1"
  if output=$("$check" "$tree"); then
    echo "not found: $1 with $2"
    failures=$((failures + 1))
  elif [[ $output != "$1:"* ]]; then
    echo "$1 with $2 gave another message: $output"
    failures=$((failures + 1))
  fi
}

clean_tree
"$check" "$tree" || { echo "a clean tree is refused"; exit 1; }

expect_violation src/core/shape.cc '#include "plan/study.h"'
expect_violation src/core/shape.cc '#  include "registry/builtin.h"'
expect_violation src/reference/oracle.cc '#include "engines/cpu/softmax.h"'
expect_violation src/stats/interval.cc '#include "store/store.h"'
expect_violation src/plan/study.cc '#include "registry/builtin.h"'
expect_violation src/store/store.h '#include "run/conductor.h"'
expect_violation src/report/table.cc '#include "run/conductor.h"'
expect_violation src/report/table.cc '#include "engines/cpu/softmax.h"'
expect_violation src/analysis/analysis.h '#include "claims/claim_answer.h"'
expect_violation src/claims/evidence.h '#include "report/table.h"'
expect_violation src/engines/cpu/softmax.cc '#include "engines/onednn/matmul.h"'
expect_violation src/engines/cudnn/sdpa.cc '#include "engines/cpu/softmax.h"'
expect_violation src/engines/cuda/softmax.cc '#include "engines/cudnn/sdpa_graph.h"'
expect_violation src/engines/cpu/softmax.cc '#include "registry/builtin.h"'
expect_violation src/engines/cpu/fused/mha.cc '#include "../softmax.h"'
expect_violation src/run/conductor.cc '#include <oneapi/dnnl/dnnl.hpp>'
expect_violation src/reference/oracle.cc '#include "hwy/highway.h"'
expect_violation apps/attnbench/run.cc '#include "engines/cpu/softmax.h"'
expect_violation include/attnbench/shape.h '#include "core/names.h"'
expect_violation src/run/conductor.cc '#ifdef ATTNBENCH_WITH_CUDA'
expect_violation src/store/store.h '#include <nlohmann/json.hpp>'
expect_violation src/stats/interval.cc '#include <boost/math/distributions/students_t.hpp>'
expect_violation apps/attnbench/run.cc '#include <CLI/CLI.hpp>'
expect_violation src/core/shape.cc '#ifdef __APPLE__'
expect_violation src/run/conductor.cc '#if defined(__linux__) && !defined(NDEBUG)'
expect_violation src/engines/cpu/softmax.cc '# elif TARGET_OS_OSX'
expect_violation include/attnbench/shape.h '#ifndef __linux'
expect_violation src/newcomer/file.cc 'int x;'

[ "$failures" -eq 0 ] && echo "every planted violation was found"
