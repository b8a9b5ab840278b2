# shellcheck shell=bash
# What every script shares: where things are, how to talk, how to fail. Sourced, never run.
# Talk goes to standard error; standard output is for what another program may read.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
user_cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/dataflow
export root user_cache

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE [EXIT_CODE]
die() {
  say "${0##*/}: error: $1"
  exit "${2:-1}"
}

# usage_of FILE: the comment block that opens FILE, which is its help.
usage_of() { sed -n '2,/^[^#]/{s/^# \{0,1\}//;t print;d;:print;p}' "$1"; }

have() { command -v "$1" >/dev/null 2>&1; }

# need TOOL PACKAGE PROFILE: fails with what to install when TOOL is missing.
need() {
  have "$1" || die "'$1' is missing (Debian package $2). Install it with: scripts/install.sh $3"
}

# find_python: Debian's own interpreter where there is one, so that a version manager cannot change the result.
find_python() {
  if [[ -x /usr/bin/python3 ]]; then
    echo /usr/bin/python3
  else
    command -v python3 || die "'python3' is missing (Debian package python3). Install it with: scripts/install.sh test"
  fi
}

# forget_settings: from here on the programs do not see the settings of the shell that called.
forget_settings() {
  local variable
  for variable in $(compgen -e | grep -E '^DATAFLOW_(CASSANDRA|REDIS|ROCKSDB|S3|HTTP|PIPELINE)_' || true); do
    unset "$variable"
  done
}
