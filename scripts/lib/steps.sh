# shellcheck shell=bash disable=SC2154 # the variables of common.sh
# A script's steps: one line each, the output in a log that is shown in part when the step fails. Sourced after common.sh.

logs=$root/build/logs

# step LOG_NAME WHAT COMMAND...: fails the script when the command fails.
step() {
  local log=$logs/$1.log what=$2 begin=$SECONDS code=0
  shift 2
  mkdir -p "$logs"
  printf '%s ... ' "$what" >&2
  "$@" >"$log" 2>&1 </dev/null || code=$?
  if ((code)); then
    say "failed (exit code $code)"
    say "--- end of $log"
    tail -n 25 "$log" >&2
    say "---"
    die "failed: $what. Its whole log: $log"
  fi
  say "$((SECONDS - begin)) s"
}

# build_preset PRESET [TARGET...]: configures and builds it.
build_preset() {
  local preset=$1 targets=()
  shift
  if (($#)); then targets=(--target "$@"); fi
  step "configure-$preset" "Configuring (preset $preset)" cmake -S "$root" --preset "$preset"
  step "build-$preset" "Building (preset $preset; the first time takes minutes, log: $logs/build-$preset.log)" \
    cmake --build "$root/build/$preset" "${targets[@]}"
}
