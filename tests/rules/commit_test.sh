#!/usr/bin/env bash
# Usage: commit_test.sh CMAKE SOURCE_DIR
# cmake/WriteCommit.cmake tells the commit of a tree, marks one that was changed, knows none outside a work tree of git,
# and leaves its file alone where nothing changed.
set -euo pipefail
command -v git >/dev/null || { echo "git is not installed"; exit 77; }
cmake=$1
script=$2/cmake/WriteCommit.cmake
work=$(realpath "$(mktemp -d)")
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a

tree=$work/tree
mkdir -p "$tree/src" "$tree/docs"
told() {
  "$cmake" "-DSOURCE_DIR=$1" "-DOUTPUT=$work/commit.cc" -P "$script"
  sed -n 's/.*return "\(.*\)".*/\1/p' "$work/commit.cc"
}
expect() {
  local found
  found=$(told "$2")
  [ "$found" = "$1" ] || { echo "$3: expected '$1', found '$found'"; exit 1; }
}

expect unknown "$tree" "no git"
git -C "$tree" init --quiet
expect unknown "$tree" "no commit yet"
echo one >"$tree/src/a.cc"
git -C "$tree" add .
git -C "$tree" commit --quiet --message one
commit=$(git -C "$tree" rev-parse --short=12 HEAD)
expect "$commit" "$tree" "as committed"
touch -d 2020-01-01 "$work/commit.cc"
expect "$commit" "$tree" "again"
[ "$(date -r "$work/commit.cc" +%Y)" = 2020 ] || { echo "the file was written though nothing changed"; exit 1; }
echo note >"$tree/docs/note.md"
expect "$commit" "$tree" "a file that is no part of the program"
echo two >>"$tree/src/a.cc"
expect "$commit-dirty" "$tree" "a changed source"
git -C "$tree" checkout --quiet src/a.cc
expect "$commit" "$tree" "changed back"
echo new >"$tree/src/b.cc"
expect "$commit-dirty" "$tree" "a source that git does not have"
mkdir "$tree/inner"
expect unknown "$tree/inner" "a tarball unpacked in another project's tree"
echo "the commit is told as it is"
