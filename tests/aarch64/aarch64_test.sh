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
# The emulator's own CPU has FEAT_BF16, a Cortex-A72 lacks it: there the path is refused and the default is another.
bf16='Arm/FusedSoftmax.GlobalKeyStandsOut*'
emulate "$build/tests/unit_tests" --gtest_filter="$bf16" | grep -c '^\[       OK' > /dev/null
OMP_NUM_THREADS=1 $emulator -cpu cortex-a72 "$build/tests/unit_tests" --gtest_filter="$bf16" | grep -c 'this CPU lacks FEAT_BF16' > /dev/null
OMP_NUM_THREADS=1 $emulator -cpu cortex-a72 "$build/tests/unit_tests" --gtest_brief=1 \
  --gtest_filter='Paths/FusedSoftmax.GlobalKeyStandsOut*:Paths/FusedSoftmax.HugeEqualScores*'
# Two at a time. Here NEON is also what Paths/FusedSoftmax chooses: no need to run it twice. LimitedPool starts itself, which
# nobody emulates then.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export build emulator logs
check() {
  case $1 in
    verify) OMP_NUM_THREADS=1 $emulator "$build/attnbench" verify --all --shapes 3 --launcher "$emulator" ;;
    *) OMP_NUM_THREADS=1 $emulator "$build/tests/unit_tests" --gtest_brief=1 --gtest_filter="$1" ;;
  esac >"$logs/${1//[^a-z0-9]/}" 2>&1 || { cat "$logs/${1//[^a-z0-9]/}"; echo "FAILED: $1"; return 1; }
}
export -f check
printf '%s\n' verify '*FusedSoftmax*_f32*-Paths/*' '*FusedSoftmax*_bf16*-Paths/*' '*FusedSoftmax*_f16*-Paths/*' \
  '*FusedLinear*-*HeadsThatDoNotDivide*' \
  '*-*FusedSoftmax*:*FusedLinear*:*LimitedPool*' | xargs -P 2 -I {} bash -c 'check "{}"'
tail -n 3 "$logs"/*
