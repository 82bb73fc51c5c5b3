#!/usr/bin/env bash
# A real single-node Apache Kafka (KRaft) for tests, fetched by Maven once.
#
#   broker.sh fetch            put the jars into the cache
#   broker.sh run PORT DIR CONTROLLER_PORT
#                              run with its data in DIR until standard input ends, then kill -9; the data goes
#                              too unless DIR/keep is there. Prints "ready" once. DIR/more.properties is laid over
#                              its settings, and each line of DIR/format.arguments is an argument of the formatter.
#
# Cache: CALLPULSE_TEST_CACHE, else ${XDG_CACHE_HOME:-$HOME/.cache}/callpulse
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${CALLPULSE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/callpulse}
lib=$cache/kafka-4.1.0

need() {
  command -v "$1" >/dev/null && return
  echo "$1 is missing: $2 (or set CALLPULSE_TEST_KAFKA=host:port to test against a Kafka that runs already)" >&2
  exit 3
}

fetch() {
  [ -d "$lib" ] && return
  need mvn "install Apache Maven, which fetches the Kafka broker for the tests (54 MB, once)"
  mkdir -p "$cache"
  local part
  part=$(mktemp -d "$cache/part-XXXXXX")
  if ! mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$part" >"$part.log" 2>&1; then
    echo "the Kafka broker for the tests could not be fetched; see $part.log" >&2
    exit 3
  fi
  # Of two that fetch at once, one wins and the other throws its copy away.
  mv -T "$part" "$lib" 2>/dev/null || rm -rf "$part"
  rm -f "$part.log"
}

run() {
  need java "install a Java runtime, version 17 or later, which runs the Kafka broker for the tests"
  fetch
  local port=$1 dir=$2 controller=$3
  cat > "$dir/server.properties" <<P
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:$controller
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/log
num.partitions=4
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
P
  # Of a property given twice the later one counts.
  [ ! -f "$dir/more.properties" ] || cat "$dir/more.properties" >> "$dir/server.properties"
  local arguments=()
  [ ! -f "$dir/format.arguments" ] || mapfile -t arguments < "$dir/format.arguments"
  cat > "$dir/log4j2.yaml" <<'L'
Configuration:
  status: ERROR
  Appenders:
    Console:
      name: out
      PatternLayout: {pattern: "%d %p %c{1} %m%n"}
  Loggers:
    Root:
      level: WARN
      AppenderRef: [{ref: out}]
L
  local java=(java -Xms256m -Xmx768m -XX:TieredStopAtLevel=1 "-Dlog4j2.configurationFile=$dir/log4j2.yaml" -cp "$lib/*")
  if [ ! -f "$dir/log/meta.properties" ]; then
    "${java[@]}" kafka.tools.StorageTool format -t AAAAAAAAQACAAAAAAAAAAA -c "$dir/server.properties" \
      ${arguments[@]+"${arguments[@]}"} >"$dir/format.log" 2>&1
  fi
  # A file that may not grow is what a full disk looks like.
  [ "${FILE_MAX_KIB:-unlimited}" = unlimited ] || ulimit -f "$FILE_MAX_KIB"
  "${java[@]}" kafka.Kafka "$dir/server.properties" >>"$dir/broker.log" 2>&1 </dev/null &
  broker=$!
  # Whatever ends this script ends the broker.
  trap 'kill -9 $broker 2>/dev/null || true; wait $broker 2>/dev/null || true' EXIT
  local tries=0
  until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ] || ! kill -0 $broker 2>/dev/null; then
      echo "the Kafka broker did not start; see $dir/broker.log" >&2
      exit 4
    fi
    sleep 0.1
  done
  echo ready
  cat >/dev/null
  [ -f "$dir/keep" ] || { kill -9 $broker 2>/dev/null || true; wait $broker 2>/dev/null || true; rm -rf "$dir"; }
}

case ${1:-} in
  fetch) fetch ;;
  run) run "$2" "$3" "$4" ;;
  *) sed -n '2,10p' "$0"; exit 2 ;;
esac
