#!/usr/bin/env bash
# Usage: emulation_test.sh ATTNBENCH
# Runs the release program on an emulated Nehalem, the oldest machine it promises to run on (x86-64-v2: no AVX).
# An AVX instruction that leaked out of a shared inline function ends it with SIGILL.
set -euo pipefail
program=$1
emulator='qemu-x86_64 -cpu Nehalem'
emulate() { OMP_NUM_THREADS=1 $emulator "$program" "$@"; }

echo "== list"
emulate list
echo "== verify"
emulate verify --all --shapes 3 --dtype f32 --launcher "$emulator"
