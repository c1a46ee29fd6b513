#!/usr/bin/env bash
# Usage: tools/compare_revisions.sh BASE HEAD FOLDER
# Builds two revisions of the repository in which it is called, measures them in turns and writes FOLDER/comment.md
# (Markdown) and FOLDER/pair.db. Ends with the exit code of `attnbench compare`: 0 passed, 1 a kernel is slower or
# lost, 2 bad input, 3 not decided; with 70 where a revision does not build.
# From the environment: STUDY (and options of `attnbench run`), PROCESSES, THRESHOLD, BUILD (the command that builds a
# checkout) and PROGRAM (what that makes, from the top of the checkout).
set -euo pipefail
base=$1 head=$2 folder=$3
study=${STUDY:-paper --scope core --dtype f32 --seqlen 128,512}
build=${BUILD:-make build}
program=${PROGRAM:-build/release/attnbench}

if [ -e "$folder" ]; then
  echo "compare_revisions: '$folder' is there already; name another folder" >&2
  exit 2
fi
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

build_revision() {  # NAME REVISION
  if ! git rev-parse --quiet --verify "$2^{commit}" > /dev/null; then
    echo "compare_revisions: '$2' is no revision here; a shallow clone lacks older ones (fetch-depth: 0)" >&2
    exit 2
  fi
  git worktree add --quiet --detach "$folder/$1" "$2"
  echo "== build $1, $(git rev-parse --short "$2")"
  if ! (cd "$folder/$1" && bash -c "$build" && [ -x "$program" ]); then
    echo "compare_revisions: $1 ($2) does not build '$program' by '$build'" >&2
    exit 70
  fi
}
remove_worktrees() {
  for name in base head; do git worktree remove --force "$folder/$name" 2> /dev/null || true; done
}
trap remove_worktrees EXIT

build_revision base "$base"
build_revision head "$head"
new=$folder/head/$program

echo "== measure"
# 3: too noisy to publish, 4: a kernel failed. What that means for the change the comparison says.
code=0
# shellcheck disable=SC2086  # the study's options are words
"$new" run $study --processes "${PROCESSES:-10}" --against "$folder/base/$program" --out "$folder/pair.db" --quiet || code=$?
case $code in
  0 | 3 | 4) ;;
  *) exit "$code" ;;
esac

echo "== compare"
code=0
"$new" compare "$folder/pair.db" --threshold "${THRESHOLD:-2%}" -o "$folder/comment.md" || code=$?
exit "$code"
