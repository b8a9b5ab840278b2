#!/usr/bin/env bash
# Certificates for tests and for servers on loopback: an authority and what it signed, good and bad. Made anew each time, with
# keys that are worth nothing; never for anything that others can reach.
#
# usage: scripts/certificates.sh DIRECTORY
#
# Writes NAME.pem and NAME.key for each NAME:
#   ca, other-ca       two authorities
#   server             for localhost, 127.0.0.1 to 127.0.0.3 and ::1; server.p12 holds the same (password: changeit)
#   wrong-name         for other.example only
#   expired            as server, until the year 2020
#   early              as server, from the year 2100 on
#   foreign            as server, signed by other-ca
#   client             for a client
#   expired-client, foreign-client
# exit codes: 0 made, 1 failed, 2 usage
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$here/lib/common.sh"

local_names='DNS:localhost,IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.3,IP:::1'
serial=0

quiet() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "openssl failed: $*"; }; }

new_key() { quiet openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$out/$1.key"; }

make_authority() {
  new_key "$1"
  quiet openssl req -x509 -new -key "$out/$1.key" -subj "/CN=dataflow tests $1" -days 3650 -out "$out/$1.pem" \
    -addext 'basicConstraints=critical,CA:true' -addext 'keyUsage=critical,keyCertSign,cRLSign'
}

# make NAME AUTHORITY USAGE NAMES [FROM UNTIL]: what `openssl ca` can and `openssl x509` cannot is to set the dates.
make() {
  local name=$1 authority=$2 usage=$3 names=$4 from=${5:-20200101000000Z} until=${6:-20990101000000Z}
  new_key "$name"
  serial=$((serial + 1))
  printf '%04x\n' "$serial" >"$work/serial"
  : >"$work/index"
  cat >"$work/conf" <<END
[ca]
default_ca = own
[own]
database = $work/index
serial = $work/serial
new_certs_dir = $work
certificate = $out/$authority.pem
private_key = $out/$authority.key
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = $usage
subjectAltName = $names
[req]
distinguished_name = none
[none]
END
  quiet openssl req -new -config "$work/conf" -key "$out/$name.key" -subj "/CN=dataflow tests $name" -out "$work/request"
  quiet openssl ca -batch -notext -config "$work/conf" -in "$work/request" -out "$out/$name.pem" \
    -startdate "$from" -enddate "$until"
}

main() {
  case ${1:-} in
    -h | --help) usage_of "$0"; exit 0 ;;
    '' | -*) usage_of "$0" >&2; exit 2 ;;
  esac
  need openssl openssl test
  mkdir -p "$1"
  out=$(realpath "$1")
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  umask 077
  make_authority ca
  make_authority other-ca
  make server ca serverAuth "$local_names"
  make wrong-name ca serverAuth DNS:other.example
  make expired ca serverAuth "$local_names" 20190101000000Z 20200101000000Z
  make early ca serverAuth "$local_names" 21000101000000Z 21010101000000Z
  make foreign other-ca serverAuth "$local_names"
  make client ca clientAuth DNS:client.example
  make expired-client ca clientAuth DNS:client.example 20190101000000Z 20200101000000Z
  make foreign-client other-ca clientAuth DNS:client.example
  quiet openssl pkcs12 -export -in "$out/server.pem" -inkey "$out/server.key" -certfile "$out/ca.pem" \
    -name server -passout pass:changeit -out "$out/server.p12"
}
main "$@"
