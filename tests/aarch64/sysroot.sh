#!/usr/bin/env bash
# Usage: sysroot.sh DIR
# Fills DIR with the arm64 packages of the libraries of packages.txt, to compile and emulate against. apt-get keeps
# its state in DIR.apt: the system learns of no foreign architecture, nothing is installed, no root is needed.
# Needs Debian's arm64 packages at the system's own apt sources.
set -euo pipefail
dir=$(realpath -m "$1")
cd "$(dirname "$0")/../.."

packages=($(awk '($1 == "build" || $1 == "test") && $2 ~ /-dev$/ {print $2}' packages.txt))
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
stamp="$release ${packages[*]}"
if [ "$(cat "$dir/.packages" 2>/dev/null)" = "$stamp" ]; then exit 0; fi

state=$dir.apt
rm -rf "$dir" "$state"
mkdir -p "$dir/usr/lib" "$state/lists/partial" "$state/cache/archives/partial"
ln -s usr/lib "$dir/lib"
: > "$state/status"
apt() {
  apt-get --quiet=2 -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$state" \
          -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" "$@"
}
if ! { apt update &&
       apt install --yes --no-install-recommends --download-only "${packages[@]}"; } > "$state/log" 2>&1; then
  cat "$state/log" >&2
  echo "sysroot: the arm64 packages could not be had from this system's apt sources" >&2
  exit 1
fi
for package in "$state"/cache/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar --extract --directory "$dir" --keep-directory-symlink --no-same-owner
done
# Absolute links would lead out of the directory.
find "$dir" -type l -lname '/*' -printf '%p %l\n' | while read -r link target; do
  ln --symbolic --force --relative "$dir$target" "$link"
done
rm -rf "$state"
echo "$stamp" > "$dir/.packages"
