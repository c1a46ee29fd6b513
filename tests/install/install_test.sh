#!/usr/bin/env bash
# Usage: tests/install/install_test.sh [--root DIR] [bookworm|trixie] [REPOSITORY]
# Proves that the README suffices on a bare Debian: makes a minimal root, installs only make, git and
# ca-certificates, clones REPOSITORY (default: this checkout's HEAD) there, and follows the README.
#   bookworm (default): make test, make report
#   trixie: make test, attnbench run paper --seqlen 128
# Needs root, debootstrap and util-linux's unshare. --root keeps the root for a later run with the same option;
# the clone is made anew each time. Registries are reached as this machine's own configuration says.
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
root=
while [ $# -gt 0 ] && [ "${1#--}" != "$1" ]; do
  case $1 in
    --root) root=$2; shift 2 ;;
    *) sed -n '2,8p' "$0" >&2; exit 2 ;;
  esac
done
suite=${1:-bookworm}
repository=${2:-$here}
case $suite in bookworm | trixie) ;; *) echo "install_test: unknown suite $suite" >&2; exit 2 ;; esac
[ "$(id -u)" -eq 0 ] || { echo "install_test: needs root" >&2; exit 2; }

# In a mount namespace of its own nothing stays mounted, however this ends.
if [ -z "${ATTNBENCH_INSTALL_TEST_NAMESPACE:-}" ]; then
  keep=${root:+yes}
  root=${root:-$(mktemp -d)}
  status=0
  ATTNBENCH_INSTALL_TEST_NAMESPACE=1 unshare --mount --propagation private \
    "$0" --root "$root" "$suite" "$repository" || status=$?
  [ -n "$keep" ] || rm -rf --one-file-system "$root"
  exit "$status"
fi

source_files() { find /etc/apt/sources.list /etc/apt/sources.list.d -name '*.list' -o -name '*.sources' 2>/dev/null || true; }

first_mirror() {
  local files
  mapfile -t files < <(source_files)
  awk '$1 == "URIs:" {print $2; exit} $1 == "deb" {sub(/\[[^]]*\] */, ""); print $2; exit}' "${files[@]}"
}

step() {
  local name=$1 begin=$SECONDS
  shift
  echo "== $suite: $name"
  "$@"
  echo "== $suite: $name took $((SECONDS - begin)) s" | tee -a "$log"
}

in_root() { chroot "$root" /usr/bin/env -i "${environment[@]}" bash -c "$1" </dev/null; }

bootstrap() {
  debootstrap --variant=minbase "$suite" "$root" "$(first_mirror)" >/dev/null
}

configure() {
  cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/"
  cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"
  rm -f "$root/etc/apt/sources.list"
  local file codename
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  source_files | while read -r file; do sed "s/$codename/$suite/g" "$file" >"$root$file"; done
}

bind() {
  mount --rbind /proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --rbind /sys "$root/sys"
  mount -o remount,bind,ro "$root/sys"
}

install_prerequisites() {
  in_root "apt-get update && apt-get install --yes --no-install-recommends make git ca-certificates" >/dev/null
  if [ -n "${PIP_CERT:-}" ]; then install -D -m 644 "$PIP_CERT" "$root$PIP_CERT"; fi
}

clone() {
  rm -rf --one-file-system "$root/root/attnbench" "$root/root/attnbench.bundle"
  git -C "$repository" bundle create "$root/root/attnbench.bundle" HEAD 2>/dev/null
  in_root "git clone --quiet /root/attnbench.bundle /root/attnbench"
}

environment=(HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive)
while IFS= read -r variable; do environment+=("$variable"); done < <(env | grep '^PIP_' || true)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

[ -e "$root/bin/sh" ] || step "debootstrap" bootstrap
configure
bind
step "make, git, ca-certificates" install_prerequisites
clone
step "make test" in_root "cd /root/attnbench && make test"
if [ "$suite" = bookworm ]; then
  step "make report" in_root "cd /root/attnbench && make report"
else
  step "make build" in_root "cd /root/attnbench && make build"
  # 3: measured, but too noisy to publish; a neighbour's load is no failure of the installation.
  step "run paper --seqlen 128" in_root \
    "cd /root/attnbench && { build/release/attnbench run paper --seqlen 128 --out /tmp/install_test.db || [ \$? -eq 3 ]; }"
fi
echo
cat "$log"
