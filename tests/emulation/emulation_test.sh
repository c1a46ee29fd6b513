#!/usr/bin/env bash
# Usage: emulation_test.sh ATTNBENCH
# Runs the release program on an emulated Nehalem, the oldest machine it promises to run on (x86-64-v2: no AVX).
# An AVX instruction that leaked out of a shared inline function ends it with SIGILL.
set -euo pipefail
program=$1
# verify starts itself again where the wait policy is not set, and the second start would not be emulated.
emulate() { OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive qemu-x86_64 -cpu Nehalem "$program" "$@"; }

echo "== list"
emulate list
echo "== verify"
emulate verify --all --shapes 3 --dtype f32
