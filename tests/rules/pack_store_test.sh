#!/usr/bin/env bash
# Usage: pack_store_test.sh SOURCE_DIR
# tools/pack_store.sh packs a store with its samples and report, and refuses where one of them names the user, the host or
# the home directory. A stand-in writes samples and report.
set -euo pipefail
pack=$1/tools/pack_store.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export HOME=/home/somebody-here USER=somebody-here ATTNBENCH_PROGRAM=$scratch/attnbench
cat > "$ATTNBENCH_PROGRAM" <<'STAND_IN'
#!/usr/bin/env bash
# export|report STORE --out FILE
echo "${TEXT_OF_FILES:-samples}" > "$4"
[ "$1" = export ] || exit "${EXIT_OF_REPORT:-0}"
STAND_IN
chmod +x "$ATTNBENCH_PROGRAM"
echo store > "$scratch/mine.db"

# expect_refused CODE WHAT: it ends so and leaves nothing packed.
expect_refused() {
  "$pack" "$scratch/mine.db" 2> "$scratch/said" && { echo "packed: $2"; exit 1; } || code=$?
  [ "$code" -eq "$1" ] || { echo "code $code, not $1: $2"; exit 1; }
  [ ! -e "$scratch/mine.tar.gz" ] || { echo "something is left behind: $2"; exit 1; }
}

EXIT_OF_REPORT=3 "$pack" "$scratch/mine.db" > /dev/null  # measured, not publishable
tar -tzf "$scratch/mine.tar.gz" | sort > "$scratch/packed"
printf '%s\n' mine/ mine/mine.csv mine/mine.db mine/mine.html | cmp - "$scratch/packed"
rm "$scratch/mine.tar.gz"

TEXT_OF_FILES='/home/somebody-here/x' expect_refused 1 'a file with the home directory'
TEXT_OF_FILES='by somebody-here' expect_refused 1 'a file with the name of the user'
EXIT_OF_REPORT=70 expect_refused 1 'a report that failed'
rm "$scratch/mine.db"
expect_refused 2 'no store'
echo "a store is packed, and refused where it tells who made it"
