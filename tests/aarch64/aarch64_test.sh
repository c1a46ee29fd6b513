#!/usr/bin/env bash
# Usage: aarch64_test.sh BUILD_DIR
# Runs the program, the tests of the kernels, the property tests and a small measurement, built for AArch64, in an emulator:
# the code paths of NEON, and whatever else is compiled elsewhere than on x86.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(realpath "$1")
emulator="qemu-aarch64 -L $build/sysroot"
emulate() { OMP_NUM_THREADS=1 $emulator "$@"; }

for program in attnbench tests/unit_tests tests/property_tests; do
  if [ ! -x "$build/$program" ]; then
    echo "no AArch64 build of $program in $build: make aarch64" >&2
    exit 1
  fi
done
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

echo "== list"
emulate "$build/attnbench" list
echo "== unit tests, property tests, verify, run"
neon=$(emulate "$build/tests/unit_tests" --gtest_list_tests --gtest_filter='Targets/FusedSoftmax.*_NEON*' | grep -c NEON || true)
echo "tests of the softmax kernels that force NEON: $neon"
[ "$neon" -gt 0 ]
# The emulator's own CPU has FEAT_BF16 and FEAT_FHM, a Cortex-A72 lacks both: there the paths are refused and the default is
# another.
for path in neonbf16_bf16:FEAT_BF16 neonf16_f16:FEAT_FHM; do
  tests="Arm/FusedSoftmax.GlobalKeyStandsOut*${path%:*}"
  emulate "$build/tests/unit_tests" --gtest_filter="$tests" | grep -c '^\[       OK' > /dev/null
  OMP_NUM_THREADS=1 $emulator -cpu cortex-a72 "$build/tests/unit_tests" --gtest_filter="$tests" |
    grep -c "this CPU lacks ${path#*:}" > /dev/null
done

# What a program starts is the program again, which nobody emulates then: it starts the script in place of itself.
script_of() {  # CPU PROGRAM SCRIPT
  printf '#!/bin/sh\nexec %s -cpu %s %s "$@"\n' "$emulator" "$1" "$2" > "$3"
  chmod +x "$3"
}
# A measurement from the ceilings to the analysis of its store. Exit code 3: too noisy to publish, which emulated it may be.
measured() {  # CPU PATH_OF_BF16 PATH_OF_F16
  local folder=$logs/run.$1
  local script=$folder/attnbench
  mkdir "$folder" && script_of "$1" "$build/attnbench" "$script" || return 1
  ATTNBENCH_EMULATOR=$script "$script" run "$here/emulated.toml" --processes 2 --blocks 2 --accept-noise --quiet \
      --worker-program "$script" --out "$folder/run.db" || [ $? -eq 3 ] || return 1
  "$script" export "$folder/run.db" --out "$folder/run.csv" &&
    "$script" analyze "$folder/run.db" --out "$folder/summary.json" &&
    "$here/check_run.py" "$folder/run.env.json" "$folder/summary.json" "$2" "$3"
}
# Two at a time, the longest first. Here NEON is also what Paths/FusedSoftmax chooses: no need to run it twice.
check() {
  case $1 in
    verify) OMP_NUM_THREADS=1 $emulator "$build/attnbench" verify --all --shapes 3 --launcher "$emulator" ;;
    run) measured max neonbf16 neonf16 ;;
    run_old) measured cortex-a72 portable portable ;;
    properties) OMP_NUM_THREADS=1 $emulator "$build/tests/property_tests" --gtest_brief=1 ;;
    old) OMP_NUM_THREADS=1 $emulator -cpu cortex-a72 "$build/tests/unit_tests" --gtest_brief=1 \
           --gtest_filter='Paths/FusedSoftmax.GlobalKeyStandsOut*:Paths/FusedSoftmax.HugeEqualScores*' ;;
    pool)
      script_of max "$build/tests/unit_tests" "$logs/unit_tests"
      ATTNBENCH_EMULATOR=$logs/unit_tests $emulator "$build/tests/unit_tests" --gtest_brief=1 --gtest_filter='*LimitedPool*' ;;
    *) OMP_NUM_THREADS=1 $emulator "$build/tests/unit_tests" --gtest_brief=1 --gtest_filter="$1" ;;
  esac
}
logged() {
  local log=$logs/${1//[^a-z0-9_]/}.log started=$SECONDS
  if ! check "$1" >"$log" 2>&1; then cat "$log"; echo "FAILED: $1"; return 1; fi
  echo "$((SECONDS - started)) s" >> "$log"
}
export here build emulator logs
export -f check logged measured script_of
printf '%s\n' verify '*FusedSoftmax*_f32*-Paths/*' '*FusedSoftmax*_bf16*-Paths/*' '*FusedSoftmax*_f16*-Paths/*' properties \
  '*FusedLinear*-*HeadsThatDoNotDivide*' run run_old old pool \
  '*-*FusedSoftmax*:*FusedLinear*:*LimitedPool*' | xargs -P 2 -I {} bash -c 'logged "{}"'
tail -n 3 "$logs"/*.log
