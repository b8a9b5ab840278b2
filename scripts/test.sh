#!/usr/bin/env bash
# Everything a change must pass: installs what the tests need, builds, starts real servers (scripts/servers.sh), runs all
# tests under ctest, stops what it started.
#
# usage: scripts/test.sh [CTEST_ARGUMENT...]
#
# The arguments go to ctest, of each preset: scripts/test.sh -L unit, scripts/test.sh -R Pipeline
# Tests of the whole programs (labels fault, fuzz, input, tls, long) run on the first preset only.
# ThreadSanitizer: DATAFLOW_PRESETS=tsan scripts/test.sh -L 'unit|live'
# Tests that take hours (label long) run only when asked for: scripts/test.sh -L long
# environment: DATAFLOW_PRESETS    the presets to build and test, in order (default: "release asan")
#              DATAFLOW_LEAVE_OUT  labels that are left out, with | between them (default: long)
# exit codes: 0 all tests passed, 1 something failed, 130 and 143 interrupted
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

read -r -a presets <<<"${DATAFLOW_PRESETS:-release asan}"
times=()
# Tests of these take minutes, and some limit the memory that a sanitizer needs.
whole_programs='fault|fuzz|input|long|tls'

# timed NAME COMMAND...: for the table at the end.
timed() {
  local name=$1 begin=$SECONDS
  shift
  "$@"
  times+=("$(printf '%-24s %5d s' "$name" $((SECONDS - begin)))")
}

# Two runs in one folder would build over each other.
only_one() {
  mkdir -p "$root/build"
  exec 8>"$root/build/test.lock"
  flock --nonblock 8 || die "another scripts/test.sh runs in this folder"
}

# The interpreter of the end-to-end tests, with its packages.
prepare_python() {
  python_environment e2e "$root/tests/e2e/requirements.txt"
  export DATAFLOW_PYTHON=$venv/bin/python
}

start_servers() {
  local environment
  # Servers of its own: a developer's go on running, and tests find fresh ones.
  export DATAFLOW_SERVERS_DIR=$root/build/test-servers
  trap stop_servers EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  "$root/scripts/servers.sh" stop 8>&-
  forget_settings
  unset AWS_S3_BUCKET AWS_SESSION_TOKEN AWS_PROFILE AWS_ENDPOINT_URL_S3
  environment=$("$root/scripts/servers.sh" start 8>&-)
  eval "$environment"
}

stop_servers() {
  "$root/scripts/servers.sh" stop || say "warning: the servers could not be stopped; see scripts/servers.sh status"
}

# run_tests PRESET CTEST_ARGUMENT...: a failure is remembered, so that the other presets are tested as well.
run_tests() {
  local preset=$1 log=$logs/ctest-$1.log none=error code=0
  shift
  local left_out=${DATAFLOW_LEAVE_OUT:-long}
  if [[ $preset != "${presets[0]}" ]]; then
    left_out+="|$whole_programs" none=ignore
  elif [[ " $* " == *long* ]]; then
    left_out=none
  fi
  set -- -LE "^($left_out)\$" "$@"
  export DATAFLOW_BIN_DIR=$root/build/$preset
  say "Testing (preset $preset, log: $log)"
  rm -f "$root/build/$preset/figures.txt"
  ctest --test-dir "$root/build/$preset" --output-on-failure --no-tests=$none --parallel $(($(nproc) + 1)) "$@" 2>&1 |
    tee "$log" || code=$?
  if ((code)); then failed+=("$preset"); fi
}

# How many tests of each label ran, as ctest counted them.
report() {
  local preset
  say ""
  for preset in "${presets[@]}"; do
    say "preset $preset: $(grep -E 'tests passed' "$logs/ctest-$preset.log" 2>/dev/null || echo 'not run')"
    sed -nE 's/^([a-z0-9_]+) += +([0-9.]+) sec\*proc \(([0-9]+) tests?\)/  \1: \3 tests/p' \
      "$logs/ctest-$preset.log" >&2 2>/dev/null || true
    # What tests counted and measured, a line each, and the faults and the bad inputs of all of them.
    [[ -e $root/build/$preset/figures.txt ]] || continue
    sed 's/^/  /' "$root/build/$preset/figures.txt" >&2
    awk 'match($0, /[0-9]+ faults, [0-9]+ runs, [0-9]+ rows compared, [0-9]+ differences/) {
        split(substr($0, RSTART, RLENGTH), words, " ")
        faults += words[1]; runs += words[3]; rows += words[5]; differences += words[8]; tests += 1
      }
      match($0, /[0-9]+ bad inputs tried/) { inputs += substr($0, RSTART, RLENGTH) + 0; of_input += 1 }
      END {
        if (tests) {
          printf "  all %d tests of faults: %d faults, %d runs, %d rows compared, %d differences\n", tests, faults, runs, rows, differences
        }
        if (of_input) printf "  all %d tests of bad input: %d bad inputs tried\n", of_input, inputs
      }
    ' "$root/build/$preset/figures.txt" >&2
  done
  printf '%s\n' "${times[@]}" >&2
  say "total                    $(printf '%5d' $SECONDS) s"
}

main() {
  case ${1:-} in
    -h | --help) usage_of "$0"; exit 0 ;;
  esac
  cd "$root"
  failed=()
  # Where no other tests are asked for, nothing else is built.
  if [[ ${1:-} == -L && ${2:-} =~ ^($whole_programs)(\|($whole_programs))*$ ]]; then presets=("${presets[0]}"); fi
  only_one
  local packages=(build test)
  # Its suppressions are by name.
  [[ " ${presets[*]} " != *" tsan "* ]] || packages+=(dev)
  timed install "$root/scripts/install.sh" "${packages[@]}"
  use_cargo
  timed python prepare_python
  for preset in "${presets[@]}"; do
    rm -f "$logs/ctest-$preset.log"
    timed "build $preset" build_preset "$preset"
  done
  export ASAN_OPTIONS=${ASAN_OPTIONS:-halt_on_error=1:detect_leaks=1:strict_string_checks=1:check_initialization_order=1}
  export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}
  # The Rust side is not instrumented: see the file.
  export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:suppressions=$root/tests/tsan.supp}
  timed servers start_servers
  for preset in "${presets[@]}"; do timed "test $preset" run_tests "$preset" "$@"; done
  report
  ((${#failed[@]} == 0)) || die "tests failed: ${failed[*]}. Logs: $logs/ctest-*.log"
}
main "$@"
