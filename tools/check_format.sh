#!/usr/bin/env bash
# Fails where a C++ file is not formatted as .clang-format says. To format: clang-format-19 -i FILE.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files -z '*.h' '*.cc' | xargs -0 clang-format-19 --dry-run -Werror
echo "formatting holds"
