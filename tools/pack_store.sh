#!/usr/bin/env bash
# Usage: tools/pack_store.sh [STORE]
# Packs a store (by default the newest one under results/) with its samples and its report into STORE's name and .tar.gz,
# to be sent to others. Fails, and leaves nothing behind, where a file to be packed holds the name of this host or user or
# the path of the home directory: stores hold none of them, what a person typed may.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${ATTNBENCH_PROGRAM:-build/release/attnbench}
store=${1:-$(ls -t results/*.db 2>/dev/null | head -n 1)}

if [ -z "$store" ] || [ ! -f "$store" ]; then
  echo "pack: there is no store '$store'; run 'make report' first or name one: tools/pack_store.sh STORE" >&2
  exit 2
fi
name=$(basename "$store" .db)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/$name"
cp "$store" "$scratch/$name/$name.db"
"$program" export "$store" --out "$scratch/$name/$name.csv" > /dev/null
"$program" report "$store" --out "$scratch/$name/$name.html" > /dev/null || [ $? -eq 3 ]

for private in "$(hostname 2>/dev/null || uname -n)" "${USER:-$(id -un)}" "$HOME"; do
  # What is as short or as common as that would be found in any text.
  case $private in ''|/|/root|root|runner|localhost|?|??|???) continue ;; esac
  if found=$(grep -rlaF -- "$private" "$scratch/$name"); then
    echo "pack: '$private' is in ${found//"$scratch/$name/"/}; nothing was packed" >&2
    exit 1
  fi
done
tar -czf "${store%.db}.tar.gz" -C "$scratch" "$name"
echo "${store%.db}.tar.gz"
