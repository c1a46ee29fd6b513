#!/usr/bin/env bash
# Usage: aarch64_test.sh BUILD_DIR
# Runs the program and the tests of the kernels, built for AArch64, in an emulator: the code path of NEON, and
# whatever else is compiled elsewhere than on x86.
set -euo pipefail
build=$1
emulator="qemu-aarch64 -L $build/sysroot"
emulate() { OMP_NUM_THREADS=1 $emulator "$@"; }

if [ ! -x "$build/attnbench" ] || [ ! -x "$build/tests/unit_tests" ]; then
  echo "no AArch64 build in $build: make aarch64" >&2
  exit 1
fi

echo "== list"
emulate "$build/attnbench" list
echo "== unit tests and verify"
neon=$(emulate "$build/tests/unit_tests" --gtest_list_tests --gtest_filter='Targets/FusedSoftmax.*_NEON*' | grep -c NEON || true)
echo "tests of the softmax kernels that force NEON: $neon"
[ "$neon" -gt 0 ]
# Side by side with verify. Here NEON is also what Paths/FusedSoftmax chooses: no need to run it twice. LimitedPool starts
# itself, which nobody emulates then.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
emulate "$build/tests/unit_tests" --gtest_brief=1 --gtest_filter='-Paths/FusedSoftmax*:*HeadsThatDoNotDivide*:*LimitedPool*' > "$log" 2>&1 &
units=$!
emulate "$build/attnbench" verify --all --shapes 3 --launcher "$emulator" || { kill "$units"; exit 1; }
wait "$units" && passed=true || passed=false
cat "$log"
$passed
