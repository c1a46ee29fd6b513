#!/usr/bin/env bash
# Usage: gpu_studies_test.sh SOURCE_DIR
# tools/gpu_studies.sh verifies once and measures within its time, goes on where it was interrupted, stops at Ctrl-C, which
# the program is told once, and ends with the code of the worst. A stand-in is the program: a study named slow takes longer
# than there is time, once.
set -euo pipefail
tool=$1/tools/gpu_studies.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CALLS=$scratch/calls
cat > "$scratch/attnbench" <<'STAND_IN'
#!/usr/bin/env bash
echo "$*" >> "$CALLS"
trap 'echo interrupted >> "$CALLS"; kill $!; exit 130' INT
case "$1 $2" in
  'verify --all') exit "${EXIT_OF_VERIFY:-0}" ;;
  'run slow') [ "$(grep -c '^run slow' "$CALLS")" -gt 1 ] || { sleep 30 & wait; } ;;
  'run ever') sleep 30 & wait ;;
  'run noisy') exit 3 ;;
  'run wrong') exit 4 ;;
  'run broken') exit 70 ;;
esac
STAND_IN
chmod +x "$scratch/attnbench"

calls() { grep -c "^$1" "$CALLS" || :; }
# expect CODE VERIFICATIONS RUNS ARGUMENT...: the tool ends with the code and has called the program so often.
expect() {
  local code=0
  : > "$CALLS"
  "$tool" --program "$scratch/attnbench" "${@:4}" > "$scratch/said" 2>&1 || code=$?
  [ "$code $(calls verify) $(calls run)" = "$1 $2 $3" ] && return
  echo "code $code, $(calls verify) verifications and $(calls run) runs, not $1, $2 and $3: ${*:4}"
  cat "$scratch/said"
  exit 1
}

expect 3 1 1 --out "$scratch/a b" --seconds 3 slow good -- --accept-noise
grep -qx "run slow --device cuda:0 --out $scratch/a b/slow.db --accept-noise" "$CALLS"
grep -q "^good: no time left" "$scratch/said"
echo "run slow" >> "$CALLS"
"$tool" --program "$scratch/attnbench" --out "$scratch/a b" slow good > "$scratch/said"
[ "$(calls verify) $(calls 'run good')" = "1 1" ] || { echo "not gone on with"; cat "$CALLS"; exit 1; }
expect 0 1 1 --out "$scratch/a b" --device cuda:1 good  # not verified there
expect 3 1 2 --out "$scratch/c" noisy good
expect 3 0 2 --out "$scratch/c" noisy good
expect 4 0 3 --out "$scratch/c" noisy wrong good
expect 70 0 1 --out "$scratch/c" broken good
EXIT_OF_VERIFY=4 expect 4 1 3 --out "$scratch/d"
EXIT_OF_VERIFY=3 expect 3 1 0 --out "$scratch/e"
mkdir "$scratch/mine"
expect 0 0 1 --out "$scratch/c" "$scratch/mine/own.toml"
grep -q -- "--out $scratch/c/own.db" "$CALLS"
expect 2 0 0 --seconds ten
expect 2 0 0 --second 10
expect 2 0 0 --out
expect 2 0 0 --program "$scratch/nothing"

# Ctrl-C, as a terminal sends it: to the whole group.
: > "$CALLS"
set -m
"$tool" --program "$scratch/attnbench" --out "$scratch/c" ever good > "$scratch/said" 2>&1 &
tool_id=$!
until grep -q '^run ever' "$CALLS"; do sleep 0.1; done
kill -INT -- "-$tool_id"
code=0
wait "$tool_id" || code=$?
[ "$code $(calls interrupted) $(calls 'run good')" = "130 1 0" ] || { echo "code $code after Ctrl-C"; cat "$CALLS"; exit 1; }
echo "studies are measured within their time, and gone on with"
