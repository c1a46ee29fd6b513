#!/usr/bin/env bash
# Usage: wheel_test.sh SOURCE_DIR
# Builds the wheel as `pip install .` does, installs it into an empty virtual environment, and tests it there.
set -euo pipefail
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
pip() { venv/bin/pip "$@" --quiet --disable-pip-version-check >log 2>&1 || { cat log; exit 1; }; }

pip wheel "$source" --no-deps --wheel-dir . --config-settings=build-dir="$work/build"
rm -r build  # nothing of it is used any more
python3 -m zipfile --list attnbench-*.whl >list
for file in __init__.py py.typed _native.pyi libattnbench.so.0.1; do
  grep -q "^attnbench/$file " list || { echo "the wheel lacks $file"; exit 1; }
done
pip install attnbench-*.whl numpy
cc -std=c99 -D_POSIX_C_SOURCE=200809L -shared -fPIC -I"$source/include" "$source/tests/python/waiting_kernel.c" -o waiting_kernel.so
venv/bin/python "$source/tests/python/attention_test.py" ./waiting_kernel.so
