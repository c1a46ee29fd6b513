#!/usr/bin/env bash
# Unpacks what engines of other makers need besides Debian packages into build/peers: the wheels that
# src/engines/*/requirements.txt name, checked by their hashes. Does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build
wanted=build/peers.requirements.part
trap 'rm -f $wanted' EXIT
cat src/engines/*/requirements.txt > $wanted
cmp -s $wanted build/peers/requirements.txt && exit 0

rm -rf build/peers
python3 -m venv build/peers/venv
if ! build/peers/venv/bin/pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --require-hashes --target build/peers -r $wanted; then
  echo "setup: pip could not fetch what src/engines/*/requirements.txt name; the engines that need it are left out" >&2
  exit 1
fi
mv $wanted build/peers/requirements.txt
