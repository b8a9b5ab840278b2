#!/usr/bin/env bash
# From a fresh clone to a product looked up: installs, builds, loads the examples into the embedded store (./dataflow.db),
# starts the service on a free port, looks one product up, stops the service. Run again it takes seconds.
#
# usage: scripts/quickstart.sh
#
# exit codes: 0 done, 1 a step failed (it says which, and where the log is), 2 usage
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
source "$here/lib/common.sh"
# shellcheck source=scripts/lib/toolchain.sh
source "$here/lib/toolchain.sh"
# shellcheck source=scripts/lib/process.sh
source "$here/lib/process.sh"
# shellcheck source=scripts/lib/steps.sh
source "$here/lib/steps.sh"

service=$logs/quickstart-microservice

load_examples() {
  "$root/build/release/job" "$root"/examples/products-[1-4].jsonl
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Starts the service on the first free port from 8080 on, and leaves it in `address`.
start_service() {
  local port
  for ((port = 8080; port < 8180; ++port)); do
    if port_is_free "$port"; then break; fi
  done
  address=127.0.0.1:$port
  : >"$service.log"
  trap 'end_processes "$service"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  launch "$service" "$root/build/release/microservice" -listen "$address"
  await_ready "the service" "$service" service_answers
}

service_answers() {
  curl --silent --noproxy '*' --max-time 5 --output /dev/null "http://$address/"
}

look_up() {
  local id=42 product
  say "GET http://$address/product/$id"
  product=$(curl --silent --show-error --fail --noproxy '*' --max-time 10 "http://$address/product/$id") ||
    die "the service did not return the product. Its log: $service.log"
  printf '%s\n' "$product"
}

main() {
  case ${1:-} in
    -h | --help) usage_of "$0"; exit 0 ;;
    '') ;;
    *) die "unknown argument '$1'; see scripts/quickstart.sh --help" 2 ;;
  esac
  cd "$root"
  # The embedded store is meant, whatever servers this shell was told of.
  forget_settings
  "$root/scripts/install.sh" build
  use_cargo
  build_preset release job microservice
  step quickstart-job "Loading examples/products-[1-4].jsonl into ./dataflow.db" load_examples
  tail -n 20 "$logs/quickstart-job.log" >&2
  start_service
  look_up
  end_processes "$service"
  trap - EXIT
  say "
It works. Go on, in this folder, with:
  build/release/job FILE.jsonl...      load your own products
  build/release/microservice           serve them: curl localhost:8080/product/42"
}
main "$@"
