#!/usr/bin/env bash
# Usage: tools/package.sh [BUILD]
# Packs what BUILD (default: build/release) installs, with the shared libraries that it needs, those of the C library
# excepted, and their notices, as build/attnbench-VERSION-SYSTEM-MACHINE.tar.gz. That unpacks into a folder of this name
# and runs there, on a bare system of the release on which it was made. Prints the file's name.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
name=attnbench-$version-$(. /etc/os-release && echo "$ID${VERSION_ID:-}")-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/$name

cmake --install "$build" --prefix "$tree" >"$work/log" || { cat "$work/log" >&2; exit 1; }
libraries=$(dirname "$(find "$tree" -name libattnbench.so)")/attnbench
notices=$tree/share/attnbench/notices
mkdir -p "$libraries" "$notices"

# Of the Debian package; the loader may name a file without the /usr before it.
owner() { { dpkg -S "$1" || dpkg -S "/usr$1" || dpkg -S "$(realpath "$1")"; } 2>/dev/null | head -n 1 | cut -d: -f1; }
needed_by() { ldd "$@" | awk '$2 == "=>" {print $3 ~ /^\// ? $3 : "missing:" $1}' | sort -u; }

# Engines of other makers are fetched where they are measured, and compiled for that machine.
rm -f "$libraries"/libattnbench_*.so
for file in $(needed_by "$tree/bin/attnbench" "$(realpath "$libraries/../libattnbench.so")"); do
  package=$(owner "$file") || true
  [ -n "$package" ] || { echo "package: $file is of no Debian package" >&2; exit 1; }
  [ "$package" != libc6 ] || continue
  cp --dereference "$file" "$libraries/"
  patchelf --set-rpath '$ORIGIN' "$libraries/$(basename "$file")"
  cp "/usr/share/doc/$package/copyright" "$notices/$package"
done
cp LICENSE "$notices/attnbench"

tar --create --gzip --file "build/$name.tar.gz" --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner \
  --mtime="@$(git log -1 --format=%ct 2>/dev/null || date +%s)" "$name"
echo "build/$name.tar.gz"
