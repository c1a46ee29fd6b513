#!/usr/bin/env bash
# Usage: embedded_test.sh CMAKE SOURCE_DIR COMPILER
# Builds and runs examples/library/attention.cc in a project that takes the library with add_subdirectory(): that brings
# neither the program nor the tests, nor what these need.
set -euo pipefail
cmake=$1 source=$2 compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
  "$cmake" -S "$source/tests/install/embedded" -B "$work" -G Ninja -DATTNBENCH_SOURCE="$source" \
    -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Release -DCMAKE_DISABLE_FIND_PACKAGE_{CLI11,tomlplusplus,SQLite3,Boost,GTest,CUDAToolkit}=ON
  "$cmake" --build "$work"
} >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$work/attention" | tee "$work/out"
[ "$(tail -n 1 "$work/out")" = 0.5 ]
if "$cmake" --build "$work" --target help | grep -E 'attnbench_(cli|store|report)|_tests'; then
  echo "it builds the instrument or its tests"
  exit 1
fi
