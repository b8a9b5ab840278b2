# shellcheck shell=bash disable=SC2154 # the variables of common.sh and of the script that sources this
# Cassandra: one node or three on 127.0.0.1 to .3, each a process $state/cassandra/nodeN. Sourced by servers.sh.

cassandra_bases() {
  local node
  for ((node = 1; node <= $(recorded cassandra nodes 0); ++node)); do echo "$state/cassandra/node$node"; done
}

cassandra_status() {
  local nodes port node
  nodes=$(recorded cassandra nodes 0)
  port=$(recorded cassandra native_port '-')
  ((nodes > 0)) || { status_line cassandra - - down; return 1; }
  local up=0
  for ((node = 1; node <= nodes; ++node)); do
    one_status "cassandra node$node" "127.0.0.$node:$port" "$state/cassandra/node$node" \
      tls_probe cassandra cql "127.0.0.$node" "$port" 0 || up=1
  done
  return $up
}

# cassandra_start NODES: NODES is empty where the caller did not say. A node that ended is started again on its data.
cassandra_start() {
  local nodes=$1 running node
  running=$(recorded cassandra nodes 0)
  if ((running > 0)) && [[ ${nodes:-$running} != "$running" ]]; then
    die "Cassandra was started with $running node(s), not $nodes. First: scripts/servers.sh stop cassandra"
  fi
  nodes=${nodes:-$running}
  ((nodes > 0)) || nodes=1
  java=$(find_java)
  jars=$(jars_of cassandra)
  if ((running == 0)); then
    choose_tls cassandra
    cassandra_prepare "$nodes"
  fi
  for ((node = 1; node <= nodes; ++node)); do cassandra_start_node "$node"; done
  for ((node = 1; node <= nodes; ++node)); do
    await_ready "Cassandra node $node (its view of the others)" "$state/cassandra/node$node" \
      tls_probe cassandra cql "127.0.0.$node" "$(recorded cassandra native_port)" $((nodes - 1))
  done
}

# Chooses ports free on every address, and writes each node's configuration.
cassandra_prepare() {
  local nodes=$1 addresses=() node native storage tokens=16 sync=${DATAFLOW_SERVERS_SYNC:-} sync_lines
  for ((node = 1; node <= nodes; ++node)); do addresses+=("127.0.0.$node"); done
  if ((nodes > 1)); then
    tokens=4
    # Three are there to be killed, and must keep what they acknowledge.
    sync=${sync:-batch}
  fi
  case ${sync:-periodic} in
    # Cassandra's default: what was acknowledged in the last tenth of a second before a node is killed, it has not got
    # any more when it comes back.
    periodic) sync_lines=$'commitlog_sync: periodic\ncommitlog_sync_period: 10000ms' ;;
    batch) sync_lines='commitlog_sync: batch' ;;
    *) die "DATAFLOW_SERVERS_SYNC is batch or periodic, not $sync" 2 ;;
  esac
  native=$(choose_port 19042 "${addresses[@]}")
  storage=$(choose_port 17000 "${addresses[@]}")
  for ((node = 1; node <= nodes; ++node)); do
    mkdir -p "$state/cassandra/node$node"/{conf,tmp}
    cp "$root/tests/servers/logback.xml" "$state/cassandra/node$node/conf/"
    fill "$root/tests/servers/cassandra/cassandra.yaml.in" CLUSTER "dataflow-$native" TOKENS "$tokens" \
      ADDRESS "127.0.0.$node" NATIVE_PORT "$native" STORAGE_PORT "$storage" \
      COMMITLOG_SYNC "$sync_lines" DIRECTORY "$state/cassandra/node$node" >"$state/cassandra/node$node/conf/cassandra.yaml"
    if is_tls cassandra; then cassandra_encrypt "$state/cassandra/node$node"; fi
  done
  record cassandra native_port "$native"
  record cassandra storage_port "$storage"
  record cassandra nodes "$nodes"
}

# cassandra_encrypt BASE: certificates and the settings for them.
cassandra_encrypt() {
  local base=$1 folder
  folder=$(certificates)
  cat "$folder/server.key" "$folder/server.pem" >"$base/conf/server.pem"
  cp "$folder/ca.pem" "$base/conf/ca.pem"
  fill "$root/tests/servers/cassandra/tls.yaml.in" DIRECTORY "$base" CLIENT_AUTH true >>"$base/conf/cassandra.yaml"
}

cassandra_start_node() {
  local node=$1 base=$state/cassandra/node$1 native storage heap=1G ring_delay_ms=100 flags=()
  if lives "$base"; then return 0; fi
  native=$(recorded cassandra native_port)
  storage=$(recorded cassandra storage_port)
  if ! probe free "$native" "127.0.0.$node" || ! probe free "$storage" "127.0.0.$node"; then
    die "another program listens on port $native or $storage of 127.0.0.$node, which belonged to Cassandra node $node.
Choose new ports, with empty data, by: scripts/servers.sh stop cassandra; scripts/servers.sh start cassandra"
  fi
  if (($(recorded cassandra nodes) > 1)); then
    heap=768M
    # Also how long a joining node waits for its seed's first answer: on a busy machine that takes seconds.
    ring_delay_ms=15000
  fi
  heap=${DATAFLOW_SERVERS_HEAP:-$heap}
  mapfile -t flags < <(cassandra_jvm_flags)
  say "Starting Cassandra node $node on 127.0.0.$node:$native (log: $base.log)"
  launch "$base" "$java" -Xms"$heap" -Xmx"$heap" "${flags[@]}" \
    -Djava.io.tmpdir="$base/tmp" -Dcassandra.config="file://$base/conf/cassandra.yaml" \
    -Dcassandra.storagedir="$base" -Dlogback.configurationFile="file://$base/conf/logback.xml" \
    -Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.ring_delay_ms="$ring_delay_ms" \
    -Dcassandra-foreground=yes -cp "$base/conf:$jars/*" org.apache.cassandra.service.CassandraDaemon
  await_ready "Cassandra node $node" "$base" tls_probe cassandra cql "127.0.0.$node" "$native" 0
}

# What Cassandra's own start script tells the JVM (its conf/jvm17-server.options): the collector, Netty's buffers, what is
# opened to it inside Java.
cassandra_jvm_flags() {
  local module
  printf '%s\n' -XX:+UseG1GC -XX:+ParallelRefProcEnabled -XX:MaxTenuringThreshold=1 -XX:G1HeapRegionSize=16m \
    -XX:G1RSetUpdatingPauseTimePercent=5 -XX:MaxGCPauseMillis=300 -XX:InitiatingHeapOccupancyPercent=70 \
    -Djdk.attach.allowAttachSelf=true -Dio.netty.tryReflectionSetAccessible=true \
    -Dio.netty.allocator.useCacheForAllThreads=true -Dio.netty.allocator.maxOrder=11
  for module in java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/sun.nio.ch \
    java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server \
    java.sql/java.sql java.base/java.lang.ref jdk.unsupported/sun.misc; do
    printf '%s\n' --add-exports "$module=ALL-UNNAMED"
  done
  for module in java.base/java.lang.module java.base/jdk.internal.loader java.base/jdk.internal.ref \
    java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module \
    java.base/jdk.internal.util.jar jdk.management/com.sun.management.internal java.base/sun.nio.ch java.base/java.io \
    java.base/java.util java.base/java.util.concurrent java.base/java.util.concurrent.atomic java.base/java.nio \
    java.base/java.lang java.base/java.math java.base/java.lang.reflect java.base/java.net; do
    printf '%s\n' --add-opens "$module=ALL-UNNAMED"
  done
}

cassandra_environment() {
  local hosts=127.0.0.1 node
  for ((node = 2; node <= $(recorded cassandra nodes); ++node)); do hosts+=,127.0.0.$node; done
  export_line DATAFLOW_CASSANDRA_HOST "$hosts"
  export_line DATAFLOW_CASSANDRA_PORT "$(recorded cassandra native_port)"
  tls_environment cassandra CASSANDRA
}

cassandra_configuration() {
  local hosts='"127.0.0.1"' node
  for ((node = 2; node <= $(recorded cassandra nodes); ++node)); do hosts+=", \"127.0.0.$node\""; done
  printf '[cassandra]\nhost = [%s]\nport = %s\nkeyspace = "dataflow"\n' "$hosts" "$(recorded cassandra native_port)"
  tls_configuration cassandra
  printf '\n'
}
