#!/usr/bin/env bash
# Installs what building, testing and developing need, with apt on Debian 12. Returns at once when all is there.
#
# usage: scripts/install.sh [build|test|dev|bench]...        (default: build)
#
# build: compiler, CMake, libraries; cargo from Debian (cargo-web) unless one of version 1.88 or later is found
# test:  Java 17, Maven and Redis for scripts/servers.sh, Python for the end-to-end tests, OpenSSL for certificates, strace and
#        systemd for the tests of packaging/, clang 19 for the fuzz targets and its formatter, slowhttptest, mount and
#        iproute2 for the tests of faults
# dev:   clang 19 with its formatter, tidy, sanitizers and symbolizer (reports of the preset tsan), shellcheck, wrk
# bench: wrk, for scripts/bench.sh; it needs what build and test name as well. Debian 12's Go is too old for the peers in
#        Go: have a newer one on PATH, or they are left out
#
# Needs root, or sudo, when something is missing. On other systems it names what to install by hand, and goes on when
# the programs are there. Nothing is removed, and no service is left running.
# exit codes: 0 all is there, 1 something is missing, 2 usage
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=scripts/lib/toolchain.sh
source "$here/lib/toolchain.sh"

packages_of() {
  case $1 in
    build)
      echo g++ cmake python3 ninja-build pkg-config mold ccache git ca-certificates curl libboost1.81-dev librocksdb-dev \
        libsimdjson-dev nlohmann-json3-dev libtomlplusplus-dev libspdlog-dev libxxhash-dev zlib1g-dev libzstd-dev \
        libssl-dev libgtest-dev libgmock-dev libbenchmark-dev
      ;;
    test) echo openjdk-17-jdk-headless maven redis-server redis-tools python3 python3-venv openssl strace systemd \
      clang-19 clang-format-19 libclang-rt-19-dev slowhttptest zstd iproute2 mount util-linux ;;
    dev) echo clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev llvm-19 shellcheck wrk ;;
    bench) echo wrk util-linux ;;
  esac
}

programs_of() {
  case $1 in
    build) echo g++ cmake python3 ninja pkg-config git curl ;;
    test) echo java mvn redis-server redis-cli python3 openssl strace systemd-analyze clang++-19 clang-format-19 slowhttptest zstd ip mount unshare ;;
    dev) echo clang++-19 clang-tidy-19 clang-format-19 llvm-symbolizer-19 shellcheck wrk ;;
    bench) echo wrk taskset ;;
  esac
}

log=$root/build/logs/install.log

is_debian_12() { (. /etc/os-release && [[ $ID == debian && $VERSION_ID == 12 ]]) 2>/dev/null; }

# missing_packages PACKAGE...: those that are not installed.
missing_packages() {
  local installed
  installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
    sed -n 's/^installed //p' || true)
  comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$installed")
}

# as_root COMMAND...: by sudo where we are not root.
as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# The packages of Redis start a service on its usual port. Nobody asked for one: scripts/servers.sh starts its own.
keep_services_off() {
  policy=/usr/sbin/policy-rc.d
  if [[ -e $policy ]]; then
    policy=''
    return
  fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  trap 'as_root rm -f "$policy"' EXIT
}

no_longer_keep_services_off() {
  [[ -z $policy ]] || as_root rm -f "$policy"
  trap - EXIT
}

apt_install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
  ((EUID == 0)) || have sudo ||
    die "these Debian packages are missing, and without root (or sudo) nothing can be installed: $*
As root: apt-get update && apt-get install $*"
  as_root true || die "sudo refused, so nothing can be installed. As root: apt-get update && apt-get install $*"
  mkdir -p "$(dirname "$log")"
  say "Installing ${#} Debian packages (log: $log): $*"
  keep_services_off
  as_root "${apt[@]}" -o APT::Update::Error-Mode=any update >"$log" 2>&1 </dev/null ||
    say "warning: apt-get update failed in part; trying with the package lists there are"
  # --no-remove: a package that conflicts with one of yours is your decision.
  if ! as_root "${apt[@]}" install --no-install-recommends --no-remove "$@" >>"$log" 2>&1 </dev/null; then
    no_longer_keep_services_off
    grep -m 5 '^E: ' "$log" >&2 || tail -n 10 "$log" >&2
    die "apt-get could not install: $*
See above: no network, no such package in your sources (bookworm and bookworm-security), or a conflict? Log: $log"
  fi
  no_longer_keep_services_off
  if [[ " $* " == *' redis-server '* ]] && have systemctl && [[ -d /run/systemd/system ]]; then
    as_root systemctl disable --now redis-server >>"$log" 2>&1 || true
  fi
}

install_on_debian() {
  local wanted=() missing=() packages=() profile
  for profile in "$@"; do
    read -r -a packages <<<"$(packages_of "$profile")"
    wanted+=("${packages[@]}")
  done
  if [[ " $* " == *' build '* ]] && ! find_cargo >/dev/null; then wanted+=(cargo-web rustc-web); fi
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if ((${#missing[@]})); then apt_install "${missing[@]}"; fi
}

# Where apt is not Debian 12's: the programs decide whether to go on, the list tells what else is needed.
check_elsewhere() {
  local missing=() profile program list=''
  for profile in "$@"; do
    list+="$(packages_of "$profile") "
    for program in $(programs_of "$profile"); do have "$program" || missing+=("$program"); done
  done
  say "This is not Debian 12, so nothing is installed. What is needed, by its names there: ${list}and Rust $rust_minimum."
  ((${#missing[@]} == 0)) || die "these programs are missing; install them by hand: ${missing[*]}"
  say "The programs are there; going on. Should a library be missing, CMake will say which."
}

main() {
  local profile profiles=("$@")
  ((${#profiles[@]})) || profiles=(build)
  for profile in "${profiles[@]}"; do
    case $profile in
      build | test | dev | bench) ;;
      -h | --help) usage_of "$0"; exit 0 ;;
      *) die "unknown profile '$profile'; see scripts/install.sh --help" 2 ;;
    esac
  done
  if is_debian_12; then install_on_debian "${profiles[@]}"; else check_elsewhere "${profiles[@]}"; fi
  if [[ " ${profiles[*]} " == *' build '* ]]; then use_cargo; fi
}
main "$@"
