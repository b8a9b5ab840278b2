# shellcheck shell=bash disable=SC2154 # the variables of common.sh and of the script that sources this
# Redis: one process $state/redis/redis that keeps nothing on disk. Sourced by servers.sh.

redis_bases() { if [[ -d $state/redis ]]; then echo "$state/redis/redis"; fi; }

redis_up() { lives "$state/redis/redis" && tls_probe redis redis 127.0.0.1 "$(recorded redis port 0)"; }

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
    choose_tls redis
    redis_settings "$port" >"$state/redis/redis.conf"
    say "Starting Redis on 127.0.0.1:$port (log: $base.log)"
    launch "$base" redis-server "$state/redis/redis.conf"
  fi
  await_ready Redis "$base" redis_up
}

# In a file, not in arguments: a password would stand in the process's title.
redis_settings() {
  local folder
  printf '%s\n' 'bind 127.0.0.1' 'save ""' 'appendonly no' 'daemonize no' "dir $state/redis"
  if ! is_tls redis; then
    printf 'port %s\n' "$1"
    return
  fi
  folder=$(certificates)
  printf '%s\n' 'port 0' "tls-port $1" "tls-cert-file $folder/server.pem" "tls-key-file $folder/server.key" \
    "tls-ca-cert-file $folder/ca.pem" 'tls-auth-clients yes' 'user default off' "user $tls_user on >$tls_pass ~* &* +@all"
}

redis_environment() {
  export_line DATAFLOW_REDIS_ADDR "127.0.0.1:$(recorded redis port)"
  tls_environment redis REDIS
}

redis_configuration() {
  printf '[redis]\naddr = "127.0.0.1:%s"\n' "$(recorded redis port)"
  tls_configuration redis
  printf '\n'
}
