#!/usr/bin/env bash
# Usage: build.sh
# Compiles and links the program for macOS 14 on Apple Silicon, in build/macos: that it compiles, that it links and that
# it uses nothing which macOS 14 lacks. It cannot run here; behaviour on a Mac is proved by nothing in this folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/macos
root=$PWD/build/macos
mkdir -p "$root/bin" "$root/sysroot/include" "$root/sysroot/lib"

if ! cmp -s "$here/requirements.txt" "$root/venv/requirements.txt"; then
  python3 -m venv --clear "$root/venv"
  "$root/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$root/venv/requirements.txt"
fi
zig="exec '$root/venv/bin/python' -m ziglang"
export ZIG_GLOBAL_CACHE_DIR=$root/cache ZIG_LOCAL_CACHE_DIR=$root/cache
wrap() { printf '#!/bin/sh\n%s %s "$@"\n' "$zig" "$2" > "$root/bin/$1"; chmod +x "$root/bin/$1"; }
wrap c++ 'c++ -target aarch64-macos.14.0'
wrap ar ar
wrap ranlib ranlib

# Headers that are the same on every system; never all of /usr/include, which is glibc's.
for header in fmt nlohmann CLI toml++ boost hwy sqlite3.h; do
  ln -sfn "/usr/include/$header" "$root/sysroot/include/$header"
done
for library in hwy sqlite3; do ln -sfn "$PWD/$here/stubs/lib$library.tbd" "$root/sysroot/lib/lib$library.tbd"; done

cmake -S . -B "$root/build" -G Ninja --toolchain "$here/toolchain.cmake" -DCMAKE_BUILD_TYPE=Debug \
      -DCMAKE_CXX_FLAGS_DEBUG='-O0 -g0' -DCMAKE_UNITY_BUILD=ON -DATTNBENCH_WERROR=ON -DATTNBENCH_TESTS=OFF \
      -DATTNBENCH_THREADS=std
# The first link builds the compiler's libc++, with thousands of lines about it.
if ! cmake --build "$root/build" --parallel "$(nproc)" --target attnbench_cli -- -k 0 > "$root/log" 2>&1; then
  grep --text -E 'error|FAILED' "$root/log" | grep -v libcxx | head -n 100 >&2
  exit 1
fi
python3 "$here/check_program.py" "$root/build/attnbench" 14.0
