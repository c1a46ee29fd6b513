#!/usr/bin/env bash
# Usage: gpu_studies_test.sh SOURCE_DIR
# tools/gpu_studies.sh verifies and measures within its time, goes on where it was interrupted, repeats nothing that is
# done, and ends with the code of the worst. A stand-in is the program: a study named slow takes longer than there is time,
# once.
set -euo pipefail
tool=$1/tools/gpu_studies.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CALLS=$scratch/calls
cat > "$scratch/attnbench" <<'STAND_IN'
#!/usr/bin/env bash
echo "$*" >> "$CALLS"
trap 'exit 130' INT
case "$1 $2" in
  'verify --all') exit "${EXIT_OF_VERIFY:-0}" ;;
  'run slow') [ "$(grep -c '^run slow' "$CALLS")" -gt 1 ] || { sleep 30 & wait; } ;;
  'run noisy') exit 3 ;;
  'run wrong') exit 4 ;;
  'run broken') exit 70 ;;
esac
STAND_IN
chmod +x "$scratch/attnbench"

# expect CODE CALLS ARGUMENT...: the tool ends with the code and has called the program so often.
expect() {
  local code=0
  : > "$CALLS.before"
  [ ! -e "$CALLS" ] || cp "$CALLS" "$CALLS.before"
  "$tool" --program "$scratch/attnbench" "${@:3}" > "$scratch/said" 2>&1 || code=$?
  local calls=$(($(cat "$CALLS" 2>/dev/null | wc -l) - $(wc -l < "$CALLS.before")))
  [ "$code" -eq "$1" ] && [ "$calls" -eq "$2" ] && return
  echo "code $code and $calls calls, not $1 and $2: ${*:3}"
  cat "$scratch/said"
  exit 1
}

expect 3 2 --out "$scratch/a" --seconds 1 slow noisy -- --accept-noise
grep -qx "run slow --device cuda:0 --out $scratch/a/slow.db --accept-noise" "$CALLS"
expect 0 2 --out "$scratch/a" slow noisy -- --accept-noise
expect 0 0 --out "$scratch/a" slow noisy -- --accept-noise
expect 4 3 --out "$scratch/b" wrong noisy
expect 4 0 --out "$scratch/b" wrong noisy
EXIT_OF_VERIFY=4 expect 4 4 --out "$scratch/c"
expect 70 2 --out "$scratch/d" broken noisy
expect 2 0 --seconds ten
expect 2 0 --second 10
echo "studies are measured within their time, and gone on with"
