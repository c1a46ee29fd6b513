#!/usr/bin/env bash
# Makes what the report needs besides Debian packages: the Python environment build/venv from report/requirements.txt,
# and from its vl-convert the JavaScript of the charts, build/vega/bundle.js. Does nothing when both are there.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cmp -s report/requirements.txt build/venv/requirements.txt; then
  python3 -m venv --clear build/venv
  if ! build/venv/bin/pip install --quiet --disable-pip-version-check -r report/requirements.txt; then
    echo "setup: pip could not install report/requirements.txt into build/venv; the report and the paper need it" >&2
    exit 1
  fi
  rm -rf build/vega
  cp report/requirements.txt build/venv/requirements.txt
fi

if [ ! -s build/vega/bundle.js ]; then
  mkdir -p build/vega
  build/venv/bin/python -c 'import vl_convert; print(vl_convert.javascript_bundle())' > build/vega/bundle.part
  mv build/vega/bundle.part build/vega/bundle.js
fi
