#!/usr/bin/env bash
# How fast the programs are, beside their peers, with real servers on this machine. See docs/benchmarks.md.
#
# usage: scripts/bench.sh [load|serve|parse|all] [--rounds N] [--rows N] [--only ROW,...] [--peers NAME,...] [--long]
#                         [--out FILE]
#        scripts/bench.sh --against REVISION   the job's parsing and embedded load beside that commit's, without servers;
#                                              fails when it is slower by more than a quarter in every round
#        scripts/bench.sh --readme FILE...     the table in README.md, from such results
#        scripts/bench.sh prepare              installs, builds, starts the servers, and leaves them running
#        scripts/bench.sh stop                 ends them
#
# With nothing prepared it prepares, measures, and stops what it started. Every contestant runs once a round, in an order
# that is turned each round. The table goes to standard output, the results as JSON to bench/results.
# environment: DATAFLOW_SERVERS_DIR  the servers' state (default: build/bench-servers)
# exit codes: 0 done, 1 failed, 2 usage
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=scripts/lib/toolchain.sh
source "$here/lib/toolchain.sh"
# shellcheck source=scripts/lib/steps.sh
source "$here/lib/steps.sh"
# shellcheck source=scripts/lib/python.sh
source "$here/lib/python.sh"
# shellcheck source=scripts/lib/revision.sh
source "$here/lib/revision.sh"

export DATAFLOW_SERVERS_DIR=${DATAFLOW_SERVERS_DIR:-$root/build/bench-servers}

# prepare PROFILE...: what scripts/install.sh installs for it.
prepare() {
  "$root/scripts/install.sh" "$@"
  use_cargo
  build
  find_environment
  step self-check "Checking the measuring" "$venv/bin/python" "$root/bench/self_check.py" "$root/build/release"
}

build() {
  step configure-bench "Configuring (preset release, with the benchmarks)" \
    cmake -S "$root" --preset release -DDATAFLOW_BENCH=ON
  step build-bench "Building the programs and the benchmarks" \
    cmake --build "$root/build/release" --target job microservice bench
}

find_environment() { python_environment e2e "$root/tests/e2e/requirements.txt"; }

servers_run() { "$root/scripts/servers.sh" status >/dev/null 2>&1; }

stop_servers() { "$root/scripts/servers.sh" stop; }

measure() {
  local kept=0
  if servers_run; then kept=1; find_environment; else prepare build test bench; fi
  if ((!kept)); then
    trap stop_servers EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
  fi
  forget_settings
  "$venv/bin/python" "$root/bench/run.py" "$@"
}

# compare REVISION: what cannot be compared is said, and is no failure.
compare() {
  prepare build test
  if build_revision "$1"; then
    say "Comparing with $revision"
    "$venv/bin/python" "$root/bench/against.py" "$root/build/release" "$against/tree/build/release"
  fi
}

main() {
  case ${1:-} in
    -h | --help) usage_of "$0" ;;
    prepare)
      prepare build test bench
      "$venv/bin/python" "$root/bench/run.py" --start
      ;;
    stop) stop_servers ;;
    --readme) find_environment && "$venv/bin/python" "$root/bench/readme.py" "${@:2}" ;;
    --against)
      (($# == 2)) || die "--against needs a revision, e.g. HEAD^" 2
      compare "$2"
      ;;
    *) measure "$@" ;;
  esac
}
main "$@"
