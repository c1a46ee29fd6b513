#!/usr/bin/env bash
# Makes what the engines in peers/ need: the Python environment build/peers-venv from peers/requirements.txt. Does
# nothing when it is there. Where the wheels cannot be had the engines say so themselves, and nothing else fails.
set -euo pipefail
cd "$(dirname "$0")/.."

cmp -s peers/requirements.txt build/peers-venv/requirements.txt && exit 0
python3 -m venv --clear build/peers-venv
if ! build/peers-venv/bin/pip install --quiet --disable-pip-version-check -r peers/requirements.txt; then
  echo "setup: pip could not install peers/requirements.txt into build/peers-venv; peers/*.py need it" >&2
  exit 1
fi
cp peers/requirements.txt build/peers-venv/requirements.txt
