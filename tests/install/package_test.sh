#!/usr/bin/env bash
# Usage: package_test.sh BUILD
# Packs BUILD (tools/package.sh), unpacks that in a root made of this release's smallest set of packages, and there runs
# the program and a C program that uses the library. Ends with 77, skipped, where it may not make a root.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$(realpath "$1")
if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
  echo "needs root and debootstrap"
  exit 77
fi
if [ -z "${ATTNBENCH_PACKAGE_TEST_ROOT:-}" ]; then  # nothing stays mounted, however this ends
  root=$(mktemp -d) status=0
  ATTNBENCH_PACKAGE_TEST_ROOT=$root unshare --mount --propagation private "$0" "$build" || status=$?
  rm -rf --one-file-system "$root"
  exit "$status"
fi
root=$ATTNBENCH_PACKAGE_TEST_ROOT

package=$source/$("$source/tools/package.sh" "$build")
mirror=$({ find /etc/apt/sources.list /etc/apt/sources.list.d -name '*.list' -o -name '*.sources' 2>/dev/null || true; } |
  xargs awk '$1 == "URIs:" {print $2; exit} $1 == "deb" {sub(/\[[^]]*\] */, ""); print $2; exit}')
debootstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" "$mirror" >"$root.log" ||
  { cat "$root.log"; exit 1; }
rm "$root.log"
for folder in proc dev sys; do mount --rbind /$folder "$root/$folder"; done

tar --extract --file "$package" --directory "$root/opt"
name=$(basename "$package" .tar.gz)
export PKG_CONFIG_PATH=$root/opt/$name/lib/pkgconfig
read -ra needed < <(pkg-config --cflags --libs attnbench)
cc -std=c99 "$source/examples/library/attention.c" -o "$root/opt/attention" "${needed[@]}" -Wl,--allow-shlib-undefined

in_root() { chroot "$root" /usr/bin/env -i "$@" </dev/null; }
program=/opt/$name/bin/attnbench
in_root "$program" --version
in_root "$program" verify --kernel fused@cpu --dtype f32 --shapes 3
in_root "$program" run smoke --accept-noise --dtype f32 --seqlen 32 --threads 1 --mechanism mha --quiet --out /opt/smoke.db
in_root "$program" report /opt/smoke.db --out /opt/smoke.html
in_root LD_LIBRARY_PATH="/opt/$name/lib" /opt/attention | tee "$root/opt/out"
[ "$(tail -n 1 "$root/opt/out")" = 0.5 ]
