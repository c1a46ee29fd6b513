#!/usr/bin/env bash
# Usage: build.sh
# Compiles and links the program, the unit tests that a Mac runs and the module of MLX for macOS 14 on Apple Silicon, in build/macos: that they compile,
# that they link and that they use nothing which macOS 14 lacks. They cannot run here; behaviour on a Mac is proved by nothing in this folder.
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
# MLX for macOS 14, as a Mac of that version would get it: the wheel's name without the condition that it be a Mac.
sed -n '/^mlx-metal/,$ {s/; sys_platform == "darwin"//;p}' src/engines/mlx/requirements.txt > "$root/mlx.txt.part"
if ! cmp -s "$root/mlx.txt.part" "$root/mlx.txt"; then
  rm -rf "$root/wheel"
  "$root/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
      --platform macosx_14_0_arm64 --target "$root/wheel" -r "$root/mlx.txt.part"
  mv "$root/mlx.txt.part" "$root/mlx.txt"
fi
zig="exec '$root/venv/bin/python' -m ziglang"
export ZIG_GLOBAL_CACHE_DIR=$root/cache ZIG_LOCAL_CACHE_DIR=$root/cache
# Its linker makes no bundle, which is what a module is to Apple's; a library that is loaded differs by its file type alone.
wrap() {
  cat > "$root/bin/$1" <<WRAPPER
#!/bin/sh
for argument do
  shift
  [ "\$argument" != -bundle ] || argument=-dynamiclib
  set -- "\$@" "\$argument"
done
$zig $2 "\$@"
WRAPPER
  chmod +x "$root/bin/$1"
}
wrap c++ 'c++ -target aarch64-macos.14.0'
wrap ar ar
wrap ranlib ranlib

# Headers that are the same on every system; never all of /usr/include, which is glibc's.
for header in fmt nlohmann CLI toml++ boost hwy sqlite3.h; do
  ln -sfn "/usr/include/$header" "$root/sysroot/include/$header"
done
ln -sfn "$root/wheel/mlx/include/mlx" "$root/sysroot/include/mlx"
ln -sfn "$root/wheel/mlx/lib/libmlx.dylib" "$root/sysroot/lib/libmlx.dylib"
for library in hwy sqlite3; do ln -sfn "$PWD/$here/stubs/lib$library.tbd" "$root/sysroot/lib/lib$library.tbd"; done

# What `make test-mac` builds there.
unit_tests=$(python3 -c 'import json; print(next(p for p in json.load(open("CMakePresets.json"))["configurePresets"]
                                                 if p["name"] == "mac")["cacheVariables"]["ATTNBENCH_UNIT_TESTS"])')
cmake -S . -B "$root/build" -G Ninja --toolchain "$here/toolchain.cmake" -DCMAKE_BUILD_TYPE=Debug \
      -DCMAKE_CXX_FLAGS_DEBUG='-O0 -g0' -DCMAKE_UNITY_BUILD=ON -DATTNBENCH_WERROR=ON -DATTNBENCH_THREADS=std \
      -DATTNBENCH_UNIT_TESTS="$unit_tests"
# The first link builds the compiler's libc++, with thousands of lines about it.
if ! cmake --build "$root/build" --parallel "$(nproc)" --target attnbench_cli attnbench_mlx unit_tests -- -k 0 > "$root/log" 2>&1; then
  grep --text -E 'error|FAILED' "$root/log" | grep -v libcxx | head -n 100 >&2
  exit 1
fi
python3 "$here/check_program.py" "$root/build/attnbench" 14.0
python3 "$here/check_program.py" "$root/build/libattnbench_mlx.so" 14.0
python3 "$here/check_program.py" "$root/build/tests/unit_tests" 14.0

# That nothing newer than macOS 14 is used was said by the compiler: it must see a call of something newer, and let the same
# call pass where its absence is asked for.
if ! cmake --build "$root/build" --target availability_guarded > "$root/log" 2>&1; then
  cat "$root/log" >&2
  exit 1
fi
if cmake --build "$root/build" --target availability_unguarded > "$root/log" 2>&1; then
  echo "a call of what came with macOS 26 was compiled for macOS 14" >&2
  exit 1
fi
if ! grep --text -q "posix_spawn_file_actions_addchdir' is only available on macOS 26.0 or newer" "$root/log"; then
  cat "$root/log" >&2
  exit 1
fi
echo "an unguarded call of what came with macOS 26 is an error"
