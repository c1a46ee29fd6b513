#!/usr/bin/env bash
# Usage: tools/judge_comparison.sh CODE neutral|fail
# Whether a check fails by the exit code of `attnbench compare`. 3, not decided, is neutral or fails as told.
set -euo pipefail
case "$1 $2" in
  "0 neutral" | "0 fail") echo "passed: no kernel is slower by more than the threshold" ;;
  "1 neutral" | "1 fail") echo "a kernel became slower or is lost" >&2; exit 1 ;;
  "3 neutral") echo "not decided, which is neutral here: more processes or a quieter machine may tell" ;;
  "3 fail") echo "not decided, which fails here" >&2; exit 3 ;;
  *)
    case $2 in
      neutral | fail) echo "no comparison: exit code $1" >&2; exit "$1" ;;
      *) echo "judge_comparison: '$2' is neither neutral nor fail" >&2; exit 2 ;;
    esac ;;
esac
