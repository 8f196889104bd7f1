#!/usr/bin/env bash
# Run Apache Kafka (KRaft, no ZooKeeper) on loopback for tests.
#
#   kafka.sh start  DIR [PORT]   format DIR if it is new, start, wait until it serves
#   kafka.sh stop   DIR          stop every node of DIR, keeping its data
#   kafka.sh status DIR          one line a node; exit status 0 if all of them run
#   kafka.sh node start|stop|kill|freeze|thaw DIR ID   one node of a cluster (kill is
#                                SIGKILL, freeze SIGSTOP, thaw SIGCONT)
#   kafka.sh wipe   DIR          stop, then remove DIR
#
# Environment:
#   KAFKA_HOME_CACHE  where fetch-kafka.sh keeps its jars, ~/.cache/kafka-test by default
#   KAFKA_NODES  brokers to make in a new DIR, 1 by default; node I listens on PORT+I-1
#   KAFKA_HEAP   heap of one node, 256m by default
#   KAFKA_JAVA_OPTS  more options for the JVM of a node
#   KAFKA_PROPS  more broker properties for a new DIR, one a line
#   KAFKA_WAIT   seconds to wait for a node to serve or to stop, 60 by default
#
# PORT is 9092 unless told. A node uses PORT+I-1 for clients and PORT+100+I-1 between
# controllers, both on 127.0.0.1 only. DIR/ID/ holds a node's properties, data,
# server.log and pid file; DIR/bootstrap holds the address list for clients.
set -euo pipefail

readonly HOST=127.0.0.1
readonly WAIT=${KAFKA_WAIT:-60}
readonly HEAP=${KAFKA_HEAP:-256m}

die() { echo "kafka: $*" >&2; exit 1; }

libs() {
  command -v java >/dev/null || die "java is missing; install it with: apt-get install openjdk-17-jre-headless"
  KAFKA_LIBS=$("$(dirname "${BASH_SOURCE[0]}")/fetch-kafka.sh")
}

node_ids() { local d; for d in "$DIR"/[0-9]*/; do [ -d "$d" ] && basename "$d"; done | sort -n; }
port_of() { echo $((BASE_PORT + $1 - 1)); }
controller_port_of() { echo $((BASE_PORT + 100 + $1 - 1)); }

# The pid in a pid file counts only if that process was started for this very folder.
pid_of() {
  local file=$DIR/$1/pid pid
  [ -s "$file" ] || return 1
  pid=$(<"$file")
  { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qxF -- "$DIR/$1/server.properties" || return 1
  echo "$pid"
}

# Send an ApiVersions request (key 18, version 0, correlation id 1, no client id) and
# look for an answer with that id: the port of a node that is still starting stays mute.
answers() {
  local reply
  reply=$(
    exec 2>/dev/null 3<>"/dev/tcp/$HOST/$1" || exit 1
    printf '\0\0\0\012\0\022\0\0\0\0\0\001\377\377' >&3
    timeout 2 head -c 8 <&3 | od -An -tx1 | tr -d ' \n'
  ) || return 1
  [ "${reply:8}" = 00000001 ]
}

write_properties() { # ID NODES VOTERS
  local id=$1 nodes=$2 voters=$3 copies=$2
  [ "$copies" -le 3 ] || copies=3
  cat <<EOF
process.roles=broker,controller
node.id=$id
controller.quorum.voters=$voters
listeners=PLAINTEXT://$HOST:$(port_of "$id"),CONTROLLER://$HOST:$(controller_port_of "$id")
advertised.listeners=PLAINTEXT://$HOST:$(port_of "$id")
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$DIR/$id/data

# One copy of the internal topics where there is one broker, and few partitions of them.
default.replication.factor=$copies
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$(((copies + 1) / 2))
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$(((copies + 1) / 2))
share.coordinator.state.topic.num.partitions=1

# Quick start, quick groups, little memory.
group.initial.rebalance.delay.ms=0
initial.broker.registration.timeout.ms=30000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=5000
controlled.shutdown.max.retries=1
num.network.threads=2
num.io.threads=4
background.threads=2
num.recovery.threads.per.data.dir=1
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=1048576
EOF
  [ -z "${KAFKA_PROPS:-}" ] || printf '%s\n' "$KAFKA_PROPS"
}

write_log_config() {
  cat >"$DIR/log4j2.properties" <<'EOF'
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
EOF
}

format() { # lay out a new DIR
  local nodes=${KAFKA_NODES:-1} id voters='' bootstrap='' cluster_id
  cluster_id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
  [ "${cluster_id:0:1}" != - ] || cluster_id=A${cluster_id:1}
  for ((id = 1; id <= nodes; id++)); do
    voters+=,$id@$HOST:$(controller_port_of "$id")
    bootstrap+=,$HOST:$(port_of "$id")
  done
  write_log_config
  for ((id = 1; id <= nodes; id++)); do
    mkdir -p "$DIR/$id"
    write_properties "$id" "$nodes" "${voters:1}" >"$DIR/$id/server.properties"
    java -XX:TieredStopAtLevel=1 -Xshare:auto -cp "$KAFKA_LIBS/*" \
      "-Dlog4j2.configurationFile=$DIR/log4j2.properties" \
      kafka.tools.StorageTool format --cluster-id "$cluster_id" --config "$DIR/$id/server.properties" \
      >"$DIR/$id/format.log" 2>&1 || die "format failed: $(tail -n 3 "$DIR/$id/format.log")"
  done
  echo "$BASE_PORT" >"$DIR/port"
  echo "${bootstrap:1}" >"$DIR/bootstrap"
}

launch() { # ID
  local id=$1
  if pid_of "$id" >/dev/null; then return; fi
  ! (exec 3<>"/dev/tcp/$HOST/$(port_of "$id")") 2>/dev/null || die "port $(port_of "$id") is taken"
  # Detached from the caller's terminal and of its descriptors, so that a test runner
  # waiting for the end of a pipe does not wait for the broker.
  # shellcheck disable=SC2086
  setsid java "-Xms$HEAP" "-Xmx$HEAP" -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError ${KAFKA_JAVA_OPTS:-} \
    "-Dlog4j2.configurationFile=$DIR/log4j2.properties" -cp "$KAFKA_LIBS/*" \
    kafka.Kafka "$DIR/$id/server.properties" </dev/null >>"$DIR/$id/server.log" 2>&1 9>&- &
  echo $! >"$DIR/$id/pid"
}

await_ready() { # ID
  local id=$1 deadline=$((SECONDS + WAIT)) started=$SECONDS
  until answers "$(port_of "$id")"; do
    if [ $((SECONDS - started)) -ge 1 ] && ! pid_of "$id" >/dev/null; then
      tail -n 20 "$DIR/$id/server.log" >&2
      die "node $id ended while starting"
    fi
    [ "$SECONDS" -lt "$deadline" ] || die "node $id does not answer after $WAIT s; see $DIR/$id/server.log"
    sleep 0.1
  done
}

# The process and all its threads are gone, or its parent has only to collect it. An ending process loses its
# command line, and so its pid_of, before it closes its sockets.
gone() { # PID
  local state threads
  state=$(awk '{sub(/.*\) /, ""); print $1}' "/proc/$1/stat" 2>/dev/null) || return 0
  threads=("/proc/$1/task"/*)
  [[ $state = [ZX] && ${#threads[@]} -le 1 ]]
}

end() { # ID SIGNAL
  local id=$1 signal=$2 pid deadline=$((SECONDS + WAIT))
  if pid=$(pid_of "$id"); then
    kill "-$signal" "$pid" 2>/dev/null || true
    until gone "$pid"; do
      if [ "$SECONDS" -ge "$deadline" ]; then
        echo "kafka: node $id outlived its $WAIT s, killing it" >&2
        kill -KILL "$pid" 2>/dev/null || true
        deadline=$((SECONDS + WAIT))
      fi
      sleep 0.1
    done
  fi
  rm -f "$DIR/$id/pid"
}

need_dir() {
  [ -f "$DIR/port" ] || die "$DIR was not made by 'kafka.sh start'"
  BASE_PORT=$(<"$DIR/port")
}

start() {
  local id
  libs
  mkdir -p "$DIR"
  if [ -f "$DIR/port" ]; then
    BASE_PORT=$(<"$DIR/port")
    [ -z "${1:-}" ] || [ "$1" = "$BASE_PORT" ] || die "$DIR was formatted for port $BASE_PORT"
  else
    [ -z "$(node_ids)" ] || die "$DIR is half formatted; remove it"
    BASE_PORT=${1:-9092}
    format
  fi
  for id in $(node_ids); do launch "$id"; done
  for id in $(node_ids); do await_ready "$id"; done
  cat "$DIR/bootstrap"
}

# In a cluster all nodes get the signal before any is waited for: the last ones could
# not finish their shutdown without a majority of controllers.
stop() {
  local id pid
  for id in $(node_ids); do
    if pid=$(pid_of "$id"); then kill -TERM "$pid" 2>/dev/null || true; fi
  done
  for id in $(node_ids); do end "$id" TERM; done
}

status() {
  local id pid all=0
  for id in $(node_ids); do
    if ! pid=$(pid_of "$id"); then
      echo "node $id stopped"
      all=1
    elif answers "$(port_of "$id")"; then
      echo "node $id running pid $pid port $(port_of "$id") rss_kib $(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")"
    else
      echo "node $id starting pid $pid"
      all=1
    fi
  done
  return $all
}

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }

[ $# -ge 2 ] || usage
action=$1
shift
if [ "$action" = node ]; then
  [ $# -eq 3 ] || usage
  action=node-$1
  shift
fi
DIR=$(realpath -m "$1")
case $action in
  start) start "${2:-}" ;;
  stop) need_dir; stop ;;
  status) need_dir; status ;;
  wipe)
    [ -d "$DIR" ] || exit 0
    [ -z "$(ls -A "$DIR")" ] || need_dir
    stop
    rm -rf "$DIR"
    ;;
  node-*)
    need_dir
    [ -d "$DIR/$2" ] || die "no node $2 in $DIR"
    case $action in
      node-start) libs; launch "$2"; await_ready "$2" ;;
      node-stop) end "$2" TERM ;;
      node-kill) end "$2" KILL ;;
      node-freeze) kill -STOP "$(pid_of "$2")" ;;
      node-thaw) kill -CONT "$(pid_of "$2")" ;;
      *) usage ;;
    esac
    ;;
  *) usage ;;
esac
