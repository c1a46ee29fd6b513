#!/usr/bin/env bash
# Usage: engines_test.sh CMAKE SOURCE_DIR
# An engine is a folder found by configuration: its kernels are in the list in their order, or it is missing for its reason.
set -euo pipefail
cmake=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$("$cmake" -S "$source/tests/rules/engines" -B "$work" -DATTNBENCH_SOURCE_DIR="$source")
expected='const KernelInfo& beta_second();
const KernelInfo& beta_first();
      &registered::beta_second(),
      &registered::beta_first(),
      {R"(alpha)", R"(needs the compiler nvcc)"},
      {R"(gamma)", R"(no "gamma" | on this machine)"},'
found=$(grep -E 'beta|alpha|gamma' "$work/registry.cc")
if [ "$found" != "$expected" ]; then
  diff <(echo "$expected") <(echo "$found")
  exit 1
fi
grep -q 'links: beta::beta; packages: beta' <<<"$log" || { echo "$log"; exit 1; }
echo "engines are found by their folders"
