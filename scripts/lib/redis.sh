# shellcheck shell=bash disable=SC2154 # the variables of common.sh and of the script that sources this
# Redis: one process $state/redis/redis that keeps nothing on disk. Sourced by servers.sh.

redis_bases() { if [[ -d $state/redis ]]; then echo "$state/redis/redis"; fi; }

redis_up() { lives "$state/redis/redis" && probe redis 127.0.0.1 "$(recorded redis port 0)"; }

redis_status() {
  [[ -d $state/redis ]] || { status_line redis - - down; return 1; }
  one_status redis "127.0.0.1:$(recorded redis port -)" "$state/redis/redis" redis_up
}

redis_start() {
  local base=$state/redis/redis port
  if ! lives "$base"; then
    need redis-server redis-server test
    mkdir -p "$state/redis"
    port=$(own_port redis 16379)
    say "Starting Redis on 127.0.0.1:$port (log: $base.log)"
    launch "$base" redis-server --bind 127.0.0.1 --port "$port" --save '' --appendonly no --daemonize no \
      --dir "$state/redis"
  fi
  await_ready Redis "$base" redis_up
}

redis_environment() { export_line DATAFLOW_REDIS_ADDR "127.0.0.1:$(recorded redis port)"; }

redis_configuration() { printf '[redis]\naddr = "127.0.0.1:%s"\n\n' "$(recorded redis port)"; }
