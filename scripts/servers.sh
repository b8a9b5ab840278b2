#!/usr/bin/env bash
# Real servers on loopback for tests and developers, without containers.
#
# usage: scripts/servers.sh start  [cassandra|redis|s3]... [--nodes 1|3] [--tls]
#        scripts/servers.sh stop   [cassandra|redis|s3]...
#        scripts/servers.sh status [cassandra|redis|s3]...
#
# With no service named: all three. `start` waits until they answer and prints the environment to use them, so:
#     eval "$(scripts/servers.sh start)"
# It also writes a dataflow.conf and says where. Started again it starts what is not running (a node that was killed
# comes back on its data) and prints the environment of all that runs. `stop` ends exactly what `start` started and
# removes its data; the logs stay. `status` exits with 0 when everything named is up, else with 3.
#
# With --tls they let nobody in without TLS and a login: Cassandra and Redis ask for a client certificate and for the user
# cassandra with the password cassandra, S3 speaks https. The certificates are made for that (scripts/certificates.sh).
#
# Cassandra 5.0.5 (one node, or three with --nodes 3) and s3proxy 2.6.0 come from Maven into the user's cache and
# run on Java 17; Redis is Debian's. Ports are chosen free and remembered.
#
# environment: DATAFLOW_SERVERS_DIR   the state: ports, pid files, logs, data (default: build/servers)
#              DATAFLOW_SERVERS_HEAP  heap of each Cassandra node (default: 1G; 768M each of three)
#              DATAFLOW_SERVERS_SYNC  their commit log: periodic (Cassandra's default, and one node's) or batch (three nodes')
#              DATAFLOW_START_PATIENCE_S, DATAFLOW_STOP_PATIENCE_S  seconds to wait for a start (240), an end (20)
#              AWS_S3_BUCKET          the bucket to create (default: casestudy)
# exit codes:  0 done, 1 failed, 2 usage, 3 status found something down
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=scripts/lib/process.sh
source "$here/lib/process.sh"
# shellcheck source=scripts/lib/java.sh
source "$here/lib/java.sh"
# shellcheck source=scripts/lib/tls.sh
source "$here/lib/tls.sh"
# shellcheck source=scripts/lib/cassandra.sh
source "$here/lib/cassandra.sh"
# shellcheck source=scripts/lib/redis.sh
source "$here/lib/redis.sh"
# shellcheck source=scripts/lib/s3.sh
source "$here/lib/s3.sh"

state=$(realpath -m "${DATAFLOW_SERVERS_DIR:-$root/build/servers}")

probe() { "$python" "$root/scripts/lib/probe.py" "$@" 2>/dev/null; }

# choose_port BASE HOST...: one that is free now, and that no other scripts/servers.sh has chosen whose server does not listen
# yet. Two state folders begin their search at different ports, so that they seldom meet.
choose_port() {
  local base=$1 offset
  shift
  offset=$(($(cksum <<<"$state" | cut -d' ' -f1) % 400))
  "$python" "$root/scripts/lib/probe.py" port $((base + offset)) $$ "$@" || die "cannot choose a port"
}

# record SERVICE KEY VALUE, recorded SERVICE KEY [DEFAULT]: what a later call must know.
record() { echo "$3" >"$state/$1/$2"; }
recorded() { cat "$state/$1/$2" 2>/dev/null || echo "${3:-}"; }

# own_port SERVICE BASE: the port remembered, or a new one where it was never chosen or another program took it since.
own_port() {
  local port
  port=$(recorded "$1" port)
  if [[ -z $port ]] || ! probe free "$port" 127.0.0.1; then port=$(choose_port "$2" 127.0.0.1); fi
  record "$1" port "$port"
  echo "$port"
}

# fill TEMPLATE NAME VALUE...: the template with every @NAME@ replaced.
fill() {
  local text
  text=$(<"$1")
  shift
  while (($#)); do
    text=${text//"@$1@"/$2}
    shift 2
  done
  printf '%s\n' "$text"
}

export_line() {
  local value=$2
  [[ $value =~ ^[A-Za-z0-9_.,:/-]+$ ]] || value=$(printf '%q' "$value")
  printf 'export %s=%s\n' "$1" "$value"
}

status_line() { printf '%-16s %-18s %-10s %s\n' "$@"; }

# one_status NAME ADDRESS BASE CONDITION...
one_status() {
  local name=$1 address=$2 base=$3
  shift 3
  if ! lives "$base"; then
    status_line "$name" "$address" - down
  elif "$@"; then
    status_line "$name" "$address" "$(<"$base.pid")" up
    return 0
  else
    status_line "$name" "$address" "$(<"$base.pid")" 'down (runs, does not answer)'
  fi
  return 1
}

# What `start` leaves behind for people and programs: the environment and the configuration of all that runs, also of a
# cluster that lost a node.
publish() {
  local service living
  living=$(all_living)
  : >"$state/env"
  echo "# Written by scripts/servers.sh; valid until the servers are stopped." >"$state/dataflow.conf"
  for service in cassandra redis s3; do
    if [[ $living == *"$state/$service/"* ]]; then
      "${service}_environment" >>"$state/env"
      "${service}_configuration" >>"$state/dataflow.conf"
    fi
  done
}

# No `||` behind the calls here: it would switch off the strict mode inside them.
start_services() {
  local service
  ran_before=$(all_living)
  started=1
  # A start that fails, or is interrupted, ends what it had started; what ran before goes on running.
  trap 'undo_start' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  for service in "${services[@]}"; do
    if [[ $service == cassandra ]]; then
      cassandra_start "$nodes"
    else
      "${service}_start"
    fi
  done
  publish
  started=0
  say "Servers are up. Configuration: $state/dataflow.conf; environment: $state/env"
  cat "$state/env"
}

all_living() {
  local service base
  for service in cassandra redis s3; do
    for base in $("${service}_bases"); do if lives "$base"; then echo "$base"; fi; done
  done
}

# Ends what this start launched: all of the named services that is not in ran_before, one a line.
undo_start() {
  ((started)) || return 0
  local service base new=()
  for service in "${services[@]}"; do
    for base in $("${service}_bases"); do
      grep -qxF "$base" <<<"$ran_before" || new+=("$base")
    done
  done
  ((${#new[@]} == 0)) || end_processes "${new[@]}"
}

stop_services() {
  local service base bases=()
  for service in "${services[@]}"; do
    for base in $("${service}_bases"); do
      if lives "$base"; then say "Stopping ${base#"$state"/} (pid $(<"$base.pid"))"; fi
      bases+=("$base")
    done
  done
  ((${#bases[@]} == 0)) || end_processes "${bases[@]}"
  for service in "${services[@]}"; do forget "$service"; done
  publish
}

# Removes ports and data, keeps the logs of the last run.
forget() {
  [[ -d $state/$1 ]] || return 0
  mkdir -p "$state/logs"
  find "$state/$1" -maxdepth 1 -name '*.log' -exec mv -t "$state/logs" {} +
  rm -rf "${state:?}/$1"
}

status_services() {
  local service code=0
  status_line SERVER ADDRESS PID STATE
  for service in "${services[@]}"; do "${service}_status" || code=3; done
  return $code
}

parse() {
  services=() nodes='' tls=0 command=${1:-}
  case $command in
    start | stop | status) shift ;;
    -h | --help | help) usage_of "$0"; exit 0 ;;
    '') usage_of "$0" >&2; exit 2 ;;
    *) die "unknown command '$command'; see scripts/servers.sh --help" 2 ;;
  esac
  while (($#)); do
    case $1 in
      cassandra | redis | s3) services+=("$1") ;;
      --nodes | -nodes) nodes=${2:-}; shift ;;
      --nodes=*) nodes=${1#*=} ;;
      --tls | -tls) tls=1 ;;
      -h | --help) usage_of "$0"; exit 0 ;;
      *) die "unknown argument '$1'; see scripts/servers.sh --help" 2 ;;
    esac
    shift || die "--nodes needs a number: 1 or 3" 2
  done
  [[ -z $nodes || $nodes == [13] ]] || die "--nodes is 1 or 3, not '$nodes'" 2
  ((${#services[@]})) || services=(cassandra redis s3)
}

main() {
  parse "$@"
  python=$(find_python)
  mkdir -p "$state"
  if [[ $command != status ]]; then
    exec 9>"$state/lock"
    flock --timeout 300 9 || die "another scripts/servers.sh works on $state and does not finish"
  fi
  "${command}_services"
}
main "$@"
