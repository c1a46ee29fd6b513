#!/usr/bin/env bash
# Usage: tools/report.sh report|paper [STORE...]
# The report (results/report.html) or the paper (results/paper/paper.pdf) of stores; by default of the newest one
# under results/. Prints the path of what it wrote. A run that is not publishable is marked in both. With PROFILE=FILE
# (attnbench tune) both say what dispatch chooses.
set -euo pipefail
cd "$(dirname "$0")/.."
program=build/release/attnbench
stores=("${@:2}")
[ ${#stores[@]} -gt 0 ] || stores=("$(ls -t results/*.db 2>/dev/null | head -n 1)")
profile=()
[ -z "${PROFILE:-}" ] || profile=(--profile "$PROFILE")

if [ -z "${stores[0]}" ]; then
  echo "report: there is no store under results/; run 'make report' first or name one: make paper STORE=FILE" >&2
  exit 2
fi
mkdir -p results
case ${1:-} in
  report)
    "$program" report "${stores[@]}" ${profile[@]+"${profile[@]}"} --out results/report.html || [ $? -eq 3 ]
    ;;
  paper)
    "$program" analyze "${stores[@]}" ${profile[@]+"${profile[@]}"} --out results/summary.json > /dev/null || [ $? -eq 3 ]
    build/venv/bin/python report/render.py results/summary.json --out results/paper
    ;;
  *)
    echo "report: '${1:-}' is neither report nor paper" >&2
    exit 2
    ;;
esac
