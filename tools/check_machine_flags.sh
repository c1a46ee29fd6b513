#!/usr/bin/env bash
# Usage: tools/check_machine_flags.sh BUILD_DIR
# Fails where a file is compiled with another -m option than the baseline. An inline function compiled with, say,
# -mavx512f could be the copy the linker keeps for the whole program, which then crashes on older machines.
set -euo pipefail
commands=$1/compile_commands.json
others=$(grep '"command":' "$commands" | grep -oE -- ' -m[a-z0-9][^ "]*' | grep -vx -- ' -march=x86-64-v2' | sort | uniq -c || true)
if [ -n "$others" ]; then
  echo "options beyond the baseline in $commands:"
  echo "$others"
  exit 1
fi
echo "no file has machine options of its own"
