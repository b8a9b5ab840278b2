# shellcheck shell=bash
# Servers as detached processes, known by BASE.pid (the process id) and BASE.born (when it started, so that an id
# used again by another program is never taken for ours). Sourced after common.sh.

# Long enough for three JVMs on a busy machine; nobody waits that long where something is wrong with them.
start_patience_s=${DATAFLOW_START_PATIENCE_S:-240}
stop_patience_s=${DATAFLOW_STOP_PATIENCE_S:-20}

# lives BASE: true while the recorded process runs. A zombie does not: where nobody reaps, kill -0 would say it does.
lives() {
  local pid stat fields
  [[ -s $1.pid && -s $1.born ]] || return 1
  pid=$(<"$1.pid")
  stat=$(cat "/proc/$pid/stat" 2>/dev/null) || return 1
  # Behind the name in parentheses: field 3 is the state, field 22 the start time.
  read -r -a fields <<<"${stat##*) }"
  [[ ${fields[0]} != [ZX] && ${fields[19]} == "$(<"$1.born")" ]]
}

# launch BASE COMMAND...: starts it in a session of its own, logging to BASE.log, and records it.
launch() {
  local base=$1 pid stat fields
  shift
  # Descriptor 9 is the lock of the calling script: a server must not hold it.
  setsid "$@" </dev/null >>"$base.log" 2>&1 9>&- &
  pid=$!
  stat=$(cat "/proc/$pid/stat" 2>/dev/null) || stat="x) Z"
  read -r -a fields <<<"${stat##*) }"
  echo "$pid" >"$base.pid"
  echo "${fields[19]:-0}" >"$base.born"
}

# end_processes BASE...: TERM to all, then wait, then KILL to those left. Only processes that `lives` knows.
end_processes() {
  local base
  for base in "$@"; do
    if lives "$base"; then kill -TERM "$(<"$base.pid")" 2>/dev/null || true; fi
  done
  if ! await_all_gone "$stop_patience_s" "$@"; then
    for base in "$@"; do
      if lives "$base"; then kill -KILL "$(<"$base.pid")" 2>/dev/null || true; fi
    done
    await_all_gone 10 "$@" || die "a server does not end; see the .pid files: $*"
  fi
  for base in "$@"; do rm -f "$base.pid" "$base.born"; done
}

await_all_gone() {
  local deadline=$((SECONDS + $1)) base left
  shift
  while :; do
    left=0
    for base in "$@"; do if lives "$base"; then left=1; fi; done
    ((left)) || return 0
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# await_ready NAME BASE CONDITION...: polls the condition; gives up when the process ends or time is up, and then shows
# the end of the server's log.
await_ready() {
  local name=$1 base=$2 deadline=$((SECONDS + start_patience_s)) why=''
  shift 2
  until "$@"; do
    lives "$base" || why="it ended"
    ((SECONDS < deadline)) || why="not ready in time"
    if [[ $why ]]; then
      say "--- end of $base.log"
      tail -n 15 "$base.log" | cut -c1-240 >&2 || true
      say "---"
      say "error: $name did not start: $why. Its whole log: $base.log"
      return 1
    fi
    sleep 0.2
  done
}
