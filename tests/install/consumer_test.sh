#!/usr/bin/env bash
# Usage: consumer_test.sh CMAKE BUILD_DIR COMPILER [FLAGS]
# Installs the library of BUILD_DIR into an empty folder, builds tests/install/consumer and examples/library against
# nothing else of this project, and runs them.
set -euo pipefail
cmake=$1 build=$2 compiler=$3 flags=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
examples=$here/../../examples/library
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }; }
cmake_build() {
  quietly "$cmake" -S "$1" -B "$2" -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
  quietly "$cmake" --build "$2"
}

quietly "$cmake" --install "$build" --prefix "$work/prefix" --component library
mv "$work/prefix" "$work/moved"  # an installation may be moved
if grep -rnE 'nlohmann|sqlite|toml|CLI/' "$work/moved/include"; then
  echo "a public header names a library of the instrument"
  exit 1
fi
library=$(find "$work/moved" -name 'libattnbench.so')
if [ "$(readlink "$library")" != libattnbench.so.0.1 ]; then
  echo "libattnbench.so is no link to the library of this minor version"
  exit 1
fi

cmake_build "$here/consumer" "$work/consumer"
"$work/consumer/consumer"

# Both examples: the mean of values that are all 0.5, whatever the weights.
check_example() {
  "$1" >"$work/out"
  cat "$work/out"
  if ! grep -q '^gqa(kv=2,causal)/.*no profile' "$work/out" || [ "$(tail -n 1 "$work/out")" != 0.5 ]; then
    echo "$1: other output than its kernel, why, and 0.5"
    exit 1
  fi
}
cmake_build "$examples" "$work/example"
check_example "$work/example/attention"

# In C by pkg-config, with a compiler that knows no C++; the program finds the library as the system is told to.
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$work/moved" -name attnbench.pc)")
read -ra needed < <(pkg-config --cflags --libs attnbench)
quietly cc -std=c99 -Wall -Wextra -Wpedantic -Werror "$examples/attention.c" -o "$work/attention_c" "${needed[@]}"
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(dirname "$library")
check_example "$work/attention_c"
