#!/usr/bin/env bash
# Creates the keyspace and the tables in Cassandra (or ScyllaDB). What exists is left as it is, so it can be repeated.
#
# usage: scripts/provision.sh [--host HOST] [--port PORT] [--keyspace NAME] [--replication FACTOR|MAP] [--config FILE]
#
# --host         a node (default: 127.0.0.1)             environment: DATAFLOW_CASSANDRA_HOST (the first of a list)
# --port         its CQL port (default: 9042)                         DATAFLOW_CASSANDRA_PORT
# --keyspace     (default: dataflow)                                  DATAFLOW_CASSANDRA_KEYSPACE
#                the role to log in with                              DATAFLOW_CASSANDRA_USER, DATAFLOW_CASSANDRA_PASS or
#                                                                     DATAFLOW_CASSANDRA_PASS_FILE
# --replication  replicas in each datacenter, or a map as CQL writes it (default: 1), e.g.
#                "{'class': 'NetworkTopologyStrategy', 'dc1': 3}"
# --config       a dataflow.conf whose [cassandra] section counts where neither option nor environment says otherwise
#
# It uses cqlsh; where there is none, the cqlsh of the running container cassandra-service (docker-compose.yml), unless
# another server was named; else build/release/job -provision, and always that one where TLS is on: it reads all settings
# of TLS. Note that sudo clears the environment.
# exit codes: 0 everything is there, 1 failed, 2 usage

# The walk-through says `sudo sh ./scripts/provision.sh`; what follows is bash.
if [ -z "${BASH_VERSION:-}" ]; then exec bash "$0" "$@"; fi
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$here/lib/common.sh"

container=cassandra-service
job=${DATAFLOW_BIN_DIR:-$root/build/release}/job

# configured KEY: the value of KEY in the [cassandra] section of the file; of a list the first.
configured() {
  [[ $config ]] || return 0
  awk -v key="$1" '
    /^[ \t]*\[/ { inside = ($0 ~ /^[ \t]*\[[ \t]*cassandra[ \t]*\]/) }
    inside && $0 ~ "^[ \t]*" key "[ \t]*=" {
      sub(/^[^=]*=[ \t\[]*/, "")
      quote = substr($0, 1, 1)
      if (quote == "\"" || quote == "\047") { $0 = substr($0, 2); sub(quote ".*", "") } else sub(/[ \t,#\]].*/, "")
      print; exit
    }' "$config"
}

parse() {
  host='' port='' keyspace='' replication=1 config=''
  local option
  while (($#)); do
    option=$1
    case $option in
      -h | --help) usage_of "$0"; exit 0 ;;
      --host | --port | --keyspace | --replication | --config) ;;
      *) die "unknown argument '$option'; see scripts/provision.sh --help" 2 ;;
    esac
    (($# > 1)) || die "$option needs a value" 2
    printf -v "${option#--}" '%s' "$2"
    shift 2
  done
  [[ -z $config || -r $config ]] || die "cannot read the configuration '$config'" 2
}

# Option, environment, file, default: the first that says something.
settle() {
  local hosts=${host:-${DATAFLOW_CASSANDRA_HOST:-$(configured host)}}
  host=${hosts%%,*}
  host=${host:-127.0.0.1}
  port=${port:-${DATAFLOW_CASSANDRA_PORT:-$(configured port)}}
  server_named=$hosts$port
  # "host:port" in the list of hosts counts for that host, as it does for the programs.
  if [[ $host =~ ^([^:]+):([0-9]+)$ ]]; then host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]}; fi
  port=${port:-9042}
  keyspace=${keyspace:-${DATAFLOW_CASSANDRA_KEYSPACE:-$(configured keyspace)}}
  keyspace=${keyspace:-dataflow}
  tls=${DATAFLOW_CASSANDRA_TLS:-$(configured tls)}
  user=${DATAFLOW_CASSANDRA_USER:-$(configured user)}
  # The environment counts before the file, also where one says pass and the other pass_file.
  pass=${DATAFLOW_CASSANDRA_PASS:-} pass_file=${DATAFLOW_CASSANDRA_PASS_FILE:-}
  [[ $pass$pass_file ]] || pass=$(configured pass) pass_file=$(configured pass_file)
  if [[ -z $pass && $pass_file ]]; then
    [[ -r $pass_file ]] || die "cannot read the password in '$pass_file' (cassandra.pass_file)" 2
    pass=$(<"$pass_file")
    pass=${pass%$'\r'}
  fi
  [[ $port =~ ^[0-9]+$ ]] || die "the port is a number, not '$port'" 2
  [[ $keyspace =~ ^[a-z][a-z0-9_]{0,47}$ ]] ||
    die "the keyspace '$keyspace' is not a name of lower-case letters, digits and _, at most 48, a letter first" 2
  case $replication in
    *[!0-9]* | '') [[ $replication == "{"*"}" ]] || die "--replication is a number or a map in braces, not '$replication'" 2 ;;
    *) ((10#$replication > 0)) || die "--replication is at least 1" 2 ;;
  esac
}

statements() {
  local map=$replication
  [[ $map == "{"* ]] || map="{'class': 'NetworkTopologyStrategy', 'replication_factor': $map}"
  cat <<CQL
CREATE KEYSPACE IF NOT EXISTS $keyspace WITH replication = $map;
CREATE TABLE IF NOT EXISTS $keyspace.products (
  id bigint PRIMARY KEY, title text, price double, category text, brand text, url text, description text);
CREATE TABLE IF NOT EXISTS $keyspace.cache_epoch (name text PRIMARY KEY, epoch text);
CQL
}

# The password goes by a file that only we can read: a command line is everybody's.
with_cqlsh() {
  local login=()
  if [[ $user ]]; then
    credentials=$(mktemp)
    trap 'rm -f "$credentials"' EXIT
    # Before version 4.1 cqlsh knows no credentials file, and takes them from its configuration file.
    if cqlsh --help | grep -q -e --credentials; then
      echo '[plain_text_auth]' >"$credentials"
      login=(--credentials="$credentials")
    else
      echo '[authentication]' >"$credentials"
      login=(--cqlshrc="$credentials")
    fi
    printf 'username = %s\npassword = %s\n' "${user//%/%%}" "$pass" >>"$credentials"
  fi
  statements | cqlsh "${login[@]}" --no-color "$host" "$port"
}

container_runs() {
  have docker && [[ $(docker inspect --format '{{.State.Running}}' "$container" 2>/dev/null) == true ]]
}

with_container() {
  statements | docker exec --interactive "$container" cqlsh --no-color
}

with_job() {
  # Login and TLS it takes from the same environment and file.
  DATAFLOW_CASSANDRA_HOST=$host DATAFLOW_CASSANDRA_PORT=$port DATAFLOW_CASSANDRA_KEYSPACE=$keyspace \
    "$job" -provision -replication "$replication" ${config:+-config "$config"}
}

main() {
  parse "$@"
  settle
  local way where="$host:$port"
  if [[ $tls == true || $tls == 1 ]]; then
    [[ -x $job ]] || die "cassandra.tls is on, which needs build/release/job: scripts/quickstart.sh builds it"
    way=with_job
  elif have cqlsh; then
    way=with_cqlsh
  elif [[ -z $server_named ]] && container_runs; then
    way=with_container where="the container $container"
  elif [[ -x $job ]]; then
    way=with_job
  else
    die "there is neither cqlsh, nor the running container $container, nor build/release/job. Install cqlsh (pip install
cqlsh), or build the job: scripts/quickstart.sh"
  fi
  "$way" || die "could not create keyspace and tables on $where. Does Cassandra answer there, and may this role create keyspaces?"
  say "Keyspace $keyspace on $where has the tables products and cache_epoch."
}
main "$@"
