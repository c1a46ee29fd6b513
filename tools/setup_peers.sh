#!/usr/bin/env bash
# Fetches what engines of other makers need besides Debian packages, in the versions that the repository names. Does
# nothing where it is there. Where the wheels cannot be had the engines are left out and say so, and nothing else fails.
#   src/engines/*/requirements.txt  wheels with headers and libraries, checked by their hashes, unpacked into build/peers
#   peers/requirements.txt          the Python environment build/peers-venv of the programs in peers/
# With PYTORCH=1 also PyTorch, some gigabytes, into that environment (peers/pytorch.requirements.txt).
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build
engines=build/peers.requirements.part
trap 'rm -f $engines' EXIT
cat src/engines/*/requirements.txt >$engines
pip() { build/peers-venv/bin/pip install --quiet --disable-pip-version-check "$@"; }
with_pytorch() { [ -z "${PYTORCH:-}" ] || pip -r peers/pytorch.requirements.txt; }
failed=false

cmp -s $engines build/peers/requirements.txt && cmp -s peers/requirements.txt build/peers-venv/requirements.txt && {
  with_pytorch
  exit
}
python3 -m venv --clear build/peers-venv
rm -rf build/peers
if pip --no-deps --only-binary=:all: --require-hashes --target build/peers -r $engines; then
  mv $engines build/peers/requirements.txt
else
  echo "setup: pip could not fetch what src/engines/*/requirements.txt name; the engines that need it are left out" >&2
  failed=true
fi
if pip -r peers/requirements.txt; then
  cp peers/requirements.txt build/peers-venv/requirements.txt
else
  echo "setup: pip could not install peers/requirements.txt into build/peers-venv; peers/*.py need it" >&2
  failed=true
fi
with_pytorch || failed=true
! $failed
