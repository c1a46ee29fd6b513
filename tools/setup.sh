#!/usr/bin/env bash
# Usage: tools/setup.sh GROUP...
# Installs the packages of these groups of packages.txt that are missing. Calls nothing when none is. Without
# root it changes nothing, prints the command to type and fails. On a Mac: what the Brewfile lists, whatever the group,
# without root. The group `report` then gets its Python environment and the JavaScript of its charts
# (tools/setup_report.sh), `peers` the wheels of engines of other makers (tools/setup_peers.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=($(awk -v groups=" $* " '$1 !~ /^#/ && index(groups, " " $1 " ") {print $2}' packages.txt))

install_missing_on_a_mac() {
  if ! command -v brew >/dev/null; then
    echo "setup: Homebrew is missing; install it, or by hand what the Brewfile lists" >&2
    exit 1
  fi
  brew bundle check --file Brewfile >/dev/null 2>&1 || brew bundle install --no-upgrade --file Brewfile
}

install_missing() {
  if [ "$(uname -s)" = Darwin ]; then
    install_missing_on_a_mac
    return
  fi
  if ! command -v dpkg-query >/dev/null; then
    echo "setup: not a Debian system; install the equivalents of: ${wanted[*]}" >&2
    return
  fi

  missing=()
  for package in "${wanted[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  if [ "$(id -u)" -ne 0 ]; then
    {
      echo "setup: these packages are missing: ${missing[*]}"
      echo "setup: nothing was changed. Type this, then run make again:"
      echo
      echo "  sudo sh -c 'apt-get update && apt-get install --no-install-recommends ${missing[*]}'"
      echo
    } >&2
    exit 1
  fi

  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install --yes --no-install-recommends "${missing[@]}"
}

install_missing
case " $* " in
  *" report "*) tools/setup_report.sh ;;
esac
case " $* " in
  *" peers "*) tools/setup_peers.sh ;;
esac
