#!/usr/bin/env bash
# Usage: citation_test.sh SOURCE. Every data set is what its hash says, and CITATION.cff names each with that hash, and the
# version of the program; nothing in it is left to fill in.
set -euo pipefail
cd "$1"
fail() { echo "$*" >&2; exit 1; }

(cd data && sha256sum --check --quiet SHA256SUMS)
for file in data/*.csv data/*.gz; do
  grep -q "  ${file#data/}$" data/SHA256SUMS || fail "data/SHA256SUMS: $file is missing"
done
for file in data/*.csv.gz; do
  hash=$(sha256sum "$file" | cut -d ' ' -f 1)
  grep -B 1 "^    filename: $file$" CITATION.cff | grep -q "sha256:$hash\"" || fail "CITATION.cff: $file with sha256:$hash is missing"
done
version=$(sed -n 's/^project(attnbench VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
grep -qx "version: $version" CITATION.cff || fail "CITATION.cff: version is not $version"
grep -Eqx "date-released: [0-9]{4}-[0-9]{2}-[0-9]{2}" CITATION.cff || fail "CITATION.cff: date-released is missing"
if grep -nEi "todo|tbd|fixme|example\.|<[^>]*>|x{3,}|0000-0000" CITATION.cff; then fail "CITATION.cff: a placeholder"; fi
