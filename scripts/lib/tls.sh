# shellcheck shell=bash disable=SC2154 # the variables of common.sh and of the script that sources this
# Servers that let nobody in without TLS and a login. Sourced by servers.sh; `start --tls` chooses it for a service for as
# long as its state lasts.

tls_user=cassandra # what a fresh Cassandra knows; the same for Redis
tls_pass=cassandra

# certificates: the folder with them, made when first asked for.
certificates() {
  if [[ ! -e $state/certificates/server.p12 ]]; then
    "$root/scripts/certificates.sh" "$state/certificates" || die "the certificates could not be made"
    printf '%s\n' "$tls_pass" >"$state/certificates/pass"
    chmod 600 "$state/certificates/pass"
  fi
  echo "$state/certificates"
}

is_tls() { [[ $(recorded "$1" tls) == 1 ]]; }

# choose_tls SERVICE: keeps what `start` was told. A service that runs stays what it is.
choose_tls() {
  if ((tls)); then
    mkdir -p "$state/$1"
    record "$1" tls 1
  fi
}

# tls_probe SERVICE ARGUMENT...: probe.py with TLS and a login where the service wants them.
tls_probe() {
  local service=$1 folder
  shift
  if is_tls "$service"; then
    folder=$(certificates)
    probe --tls "$folder/ca.pem" "$folder/client.pem" "$folder/client.key" "$tls_user" "$tls_pass" "$@"
  else
    probe "$@"
  fi
}

# tls_environment SERVICE SECTION, tls_configuration SERVICE: lines for those who use it.
tls_environment() {
  local section=$2 folder
  is_tls "$1" || return 0
  folder=$(certificates)
  export_line "DATAFLOW_${section}_TLS" true
  export_line "DATAFLOW_${section}_CA_FILE" "$folder/ca.pem"
  export_line "DATAFLOW_${section}_CERT_FILE" "$folder/client.pem"
  export_line "DATAFLOW_${section}_KEY_FILE" "$folder/client.key"
  export_line "DATAFLOW_${section}_USER" "$tls_user"
  export_line "DATAFLOW_${section}_PASS_FILE" "$folder/pass"
}

tls_configuration() {
  local folder
  is_tls "$1" || return 0
  folder=$(certificates)
  printf 'tls = true\nca_file = "%s"\ncert_file = "%s"\nkey_file = "%s"\nuser = "%s"\npass_file = "%s"\n' \
    "$folder/ca.pem" "$folder/client.pem" "$folder/client.key" "$tls_user" "$folder/pass"
}
