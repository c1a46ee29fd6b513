#!/usr/bin/env bash
# Usage: consumer_test.sh CMAKE BUILD_DIR COMPILER [FLAGS]
# Installs the attention library of BUILD_DIR into an empty folder, builds tests/install/consumer against nothing else of
# this project, and runs it.
set -euo pipefail
cmake=$1 build=$2 compiler=$3 flags=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/prefix" --component attention >"$work/log" || { cat "$work/log"; exit 1; }
if grep -rnE 'nlohmann|sqlite|toml|CLI/' "$work/prefix/include"; then
  echo "a public header names a library of the instrument"
  exit 1
fi
{
  "$cmake" -S "$here/consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
  "$cmake" --build "$work/build"
} >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$work/build/consumer"
