#!/usr/bin/env bash
# Usage: tools/gpu_studies.sh [--program FILE] [--device NAME] [--seconds N] [--out FOLDER] [STUDY...] [-- OPTION...]
# Verifies the kernels of engine cuda on a GPU (cuda:0), then measures studies there: by default gpu_paper, gpu_decode and
# gpu_long. After N seconds (600; building is not counted) it interrupts what is being measured; what is measured is kept,
# and the same command goes on with it. Verification, which must end within N, is repeated for another program or device
# alone. Stores, samples (.csv) and tables (.txt) are in FOLDER (results/gpu); another one begins anew. Without --program
# it builds one first, which takes a CUDA toolkit; a packed one (make package) runs where there is none. OPTIONs are those
# of `attnbench run`: --accept-noise on a machine that others use too.
# Exit code: 0 all measured; 1 a kernel was lost; 3 something is left for the next time, or not publishable, as its table
# says; 4 a kernel is wrong or failed; 130 Ctrl-C. Any other ends it: that of `attnbench`.
set -euo pipefail
set -m  # a group for each program: Ctrl-C reaches it once, by the trap
top=$(cd "$(dirname "$0")/.." && pwd)
program='' device=cuda:0 seconds=600 out=$top/results/gpu
studies=() options=()
usage() { echo "gpu_studies: $1" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    --program | --device | --seconds | --out)
      [ -n "${2:-}" ] || usage "$1: there is no value"
      declare "${1#--}=$2"
      shift
      ;;
    --) shift; options=("$@"); break ;;
    -*) usage "there is no option '$1'" ;;
    *) studies+=("$1") ;;
  esac
  shift
done
[[ $seconds =~ ^[1-9][0-9]{0,8}$ ]] || usage "--seconds: '$seconds' is no number of seconds"
[ ${#studies[@]} -gt 0 ] || studies=(gpu_paper gpu_decode gpu_long)
if [ -n "$program" ]; then
  [ -f "$program" ] && [ -x "$program" ] || usage "--program: '$program' is no program"
  program=$(realpath "$program")
else
  make -C "$top" build
  program=$top/build/release/attnbench
fi
mkdir -p "$out"

end=$((SECONDS + seconds))
result=0 child='' stopped=''
trap 'stopped=1; [ -z "$child" ] || kill -INT "$child" 2>/dev/null || :' INT TERM
worse() { [ "$result" -ge "$1" ] || result=$1; }
# within_time FILE COMMAND...: its output goes to FILE, its exit code to `code`; interrupted when time is over, which it
# may not outlive by more than a minute.
within_time() {
  local left=$((end - SECONDS)) clock
  code=130
  [ "$left" -gt 0 ] || return 0
  "${@:2}" > "$1" & child=$!
  { sleep "$left"; kill -INT "$child"; sleep 60; kill -INT "$child"; } 2>/dev/null & clock=$!
  while true; do
    code=0
    wait "$child" || code=$?
    kill -0 "$child" 2>/dev/null || break  # else a signal ended the waiting alone
  done
  child=''
  kill -- "-$clock" 2>/dev/null || :
  wait "$clock" 2>/dev/null || :
  [ -z "$stopped" ] || exit 130
}

verified="$device $(sha256sum < "$program")"
if [ "$(cat "$out/verified" 2>/dev/null)" != "$verified" ]; then
  within_time "$out/verification.txt" "$program" verify --all --device "$device" --kernel @cuda
  case $code in
    0) echo "$verified" > "$out/verified"; echo "verification: passed, $out/verification.txt" ;;
    4) echo "verification: a kernel is wrong, $out/verification.txt"; worse 4 ;;
    130) echo "gpu_studies: verification takes longer than --seconds $seconds" >&2; exit 3 ;;
    *) echo "gpu_studies: verification ended with exit code $code" >&2; exit "$code" ;;
  esac
fi
for study in "${studies[@]}"; do
  name=$(basename "$study" .toml)
  if [ $((end - SECONDS)) -le 0 ]; then
    echo "$name: no time left, the same command goes on with it"
    worse 3
    continue
  fi
  within_time "$out/$name.txt" "$program" run "$study" --device "$device" --out "$out/$name.db" ${options[@]+"${options[@]}"}
  case $code in
    0) echo "$name: measured, $out/$name.txt" ;;
    1 | 3 | 4) echo "$name: see $out/$name.txt"; worse "$code" ;;
    130) echo "$name: interrupted, the same command goes on with it"; worse 3 ;;
    *) echo "gpu_studies: $name ended with exit code $code" >&2; exit "$code" ;;
  esac
done
exit "$result"
