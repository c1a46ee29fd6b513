#!/usr/bin/env bash
# Usage: exports_test.sh FILE
# A plugin takes the names of the public headers from the program that loads it, other programs from libattnbench.so:
# these are there, and no others of ours.
set -euo pipefail
headers=$(cd "$(dirname "$0")/../../include/attnbench" && pwd)
exported=$(nm -DC --defined-only "$1" | cut -d' ' -f3- | sed 's/\[abi:cxx11\]//' |
  grep -E '^((typeinfo|typeinfo name|vtable) for )?attnbench[^ ]*(\(|$)' || true)
failures=0

while read -r name; do
  [ -n "$name" ] || continue
  if ! grep -rqw -- "$name" "$headers"; then
    echo "exported, and not in a public header: $name"
    failures=$((failures + 1))
  fi
done < <(sed -E 's/^(typeinfo|typeinfo name|vtable) for //; s/[(<\[].*//; s/.*:://; s/^~//' <<<"$exported" | grep -v '^operator' | sort -u)

for needed in 'attnbench::InputError::InputError(' 'typeinfo for attnbench::InputError' 'attnbench::to_string(attnbench::Mechanism' \
  'attnbench::parse_dtype(' 'attnbench::work(' 'attnbench::allowed_keys(' 'attnbench::kernels()'; do
  if ! grep -qF -- "$needed" <<<"$exported"; then
    echo "not exported: $needed"
    failures=$((failures + 1))
  fi
done
[ "$failures" -eq 0 ] && echo "others see the public headers' names alone"
