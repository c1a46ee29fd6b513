#!/usr/bin/env bash
# Usage: tools/gpu_studies.sh [--program FILE] [--device NAME] [--seconds N] [--out FOLDER] [STUDY...] [-- OPTION...]
# Verifies the kernels of engine cuda on a GPU (cuda:0), then measures studies there: by default gpu_paper, gpu_decode and
# gpu_long. Takes N seconds at most (600), building not counted: what is being measured then is interrupted, what is
# measured is kept, and the same command goes on with it. Stores, samples (.csv) and tables (.txt) are in FOLDER
# (results/gpu). Without --program it builds one first, which takes a CUDA toolkit; a packed one (make package) runs where
# there is none. OPTIONs are those of `attnbench run`: --accept-noise on a machine that others use too.
# Exit code: 0 all measured, 3 something is left for the next time, 4 a kernel is wrong or failed.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
program='' device=cuda:0 seconds=600 out=$top/results/gpu
studies=() options=()
while [ $# -gt 0 ]; do
  case $1 in
    --program) program=${2:?--program needs a file}; shift ;;
    --device) device=${2:?--device needs a name}; shift ;;
    --seconds) seconds=${2:?--seconds needs a number}; shift ;;
    --out) out=${2:?--out needs a folder}; shift ;;
    --) shift; options=("$@"); break ;;
    -*) echo "gpu_studies: there is no option '$1'" >&2; exit 2 ;;
    *) studies+=("$1") ;;
  esac
  shift
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "gpu_studies: --seconds: '$seconds' is no number of seconds" >&2; exit 2; }
[ ${#studies[@]} -gt 0 ] || studies=(gpu_paper gpu_decode gpu_long)
if [ -z "$program" ]; then
  make -C "$top" build
  program=$top/build/release/attnbench
fi
mkdir -p "$out"

end=$((SECONDS + seconds))
result=0
worse() { [ "$result" -ge "$1" ] || result=$1; }
# step NAME COMMAND...: what it prints goes to NAME.txt; NAME.done tells the next call that nothing is left of it, and how it went.
step() {
  local name=$1 left=$((end - SECONDS)) code=0
  shift
  if [ -e "$out/$name.done" ]; then
    echo "$name: done before, $out/$name.txt"
    worse "$(cat "$out/$name.done")"
    return 0
  fi
  [ "$left" -gt 0 ] || { echo "$name: no time left"; worse 3; return 0; }
  timeout --foreground --signal=INT --kill-after=60 "$left" "$@" > "$out/$name.txt" || code=$?
  case $code in
    0 | 3) echo 0 > "$out/$name.done"; echo "$name: done, $out/$name.txt" ;;
    4) echo 4 > "$out/$name.done"; echo "$name: a kernel is wrong or failed, $out/$name.txt"; worse 4 ;;
    124 | 130) echo "$name: not done, the same command goes on with it"; worse 3 ;;
    *) echo "gpu_studies: $name ended with exit code $code" >&2; exit "$code" ;;
  esac
}

step verify "$program" verify --all --device "$device" --kernel @cuda
for study in "${studies[@]}"; do
  step "$study" "$program" run "$study" --device "$device" --out "$out/$study.db" ${options[@]+"${options[@]}"}
done
exit "$result"
