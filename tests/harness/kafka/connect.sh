#!/usr/bin/env bash
# Run a real Kafka Connect worker on loopback, as the baseline to compare with.
#
#   connect.sh start  DIR REST_PORT BOOTSTRAP [distributed|standalone] [CONNECTOR.properties...]
#   connect.sh stop|kill|status DIR
#
# Environment:
#   KAFKA_HOME_CACHE  where fetch-kafka.sh keeps its jars, ~/.cache/kafka-test by default
#   CONNECT_OPTS      JVM options; by default those of the stock start script
#   CONNECT_PROPS     more worker properties, one a line (they win over those below)
#   CONNECT_GROUP     group id and prefix of the three topics, "connect" by default
#   CONNECT_WAIT      seconds to wait for the REST API, 120 by default
#
# start waits until GET / answers, then prints how long that took.
# DIR holds worker.properties, log4j2.properties, worker.log and the pid file.
set -euo pipefail

readonly HOST=127.0.0.1
readonly CACHE=${KAFKA_HOME_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kafka-test}
readonly WAIT=${CONNECT_WAIT:-120}
readonly OPTS=${CONNECT_OPTS:--Xms256M -Xmx2G -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true -Dcom.sun.management.jmxremote}

die() { echo "connect: $*" >&2; exit 1; }

pid_of() {
  local pid
  [ -s "$DIR/pid" ] || return 1
  pid=$(<"$DIR/pid")
  { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qxF -- "$DIR/worker.properties" || return 1
  echo "$pid"
}

write_config() { # PORT BOOTSTRAP MODE
  local group=${CONNECT_GROUP:-connect}
  {
    cat <<EOF
bootstrap.servers=$2
listeners=http://$HOST:$1
rest.advertised.host.name=$HOST
plugin.path=$CACHE/plugins
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
EOF
    if [ "$3" = distributed ]; then
      cat <<EOF
group.id=$group
config.storage.topic=$group-configs
offset.storage.topic=$group-offsets
status.storage.topic=$group-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
EOF
    else
      echo "offset.storage.file.filename=$DIR/offsets"
    fi
    # A properties file gives the last of two equal keys.
    [ -z "${CONNECT_PROPS:-}" ] || printf '%s\n' "$CONNECT_PROPS"
  } >"$DIR/worker.properties"
  cat >"$DIR/log4j2.properties" <<'EOF'
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %X{connector.context}%m (%c:%L)%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
EOF
}

start() { # PORT BOOTSTRAP [MODE [FILE...]]
  local port=$1 bootstrap=$2 mode=${3:-distributed} main started deadline=$((SECONDS + WAIT))
  shift 2
  [ $# -eq 0 ] || shift
  case $mode in
    distributed) main=ConnectDistributed ;;
    standalone) main=ConnectStandalone ;;
    *) die "no mode $mode" ;;
  esac
  "$(dirname "${BASH_SOURCE[0]}")/fetch-kafka.sh" >/dev/null
  if pid_of >/dev/null; then die "already running"; fi
  mkdir -p "$DIR"
  write_config "$port" "$bootstrap" "$mode"
  started=$(date +%s%N)
  # shellcheck disable=SC2086
  setsid java $OPTS "-Dlog4j2.configurationFile=$DIR/log4j2.properties" -cp "$CACHE/libs/*" \
    "org.apache.kafka.connect.cli.$main" "$DIR/worker.properties" "$@" \
    </dev/null >>"$DIR/worker.log" 2>&1 &
  echo $! >"$DIR/pid"
  echo "$port" >"$DIR/port"
  until curl -fsS -m 2 -o /dev/null "http://$HOST:$port/" 2>/dev/null; do
    kill -0 "$(<"$DIR/pid")" 2>/dev/null || { tail -n 20 "$DIR/worker.log" >&2; die "the worker ended"; }
    [ "$SECONDS" -lt "$deadline" ] || die "no answer after $WAIT s; see $DIR/worker.log"
    sleep 0.05
  done
  echo "rest_ready_ms $((($(date +%s%N) - started) / 1000000))"
}

end() { # SIGNAL
  local pid
  if pid=$(pid_of); then
    kill "-$1" "$pid" 2>/dev/null || true
    while pid_of >/dev/null; do sleep 0.1; done
  fi
  rm -f "$DIR/pid"
}

status() {
  local pid
  pid=$(pid_of) || { echo stopped; return 1; }
  awk -v pid="$pid" '/^VmRSS/ {rss = $2} /^VmHWM/ {peak = $2} /^Threads/ {threads = $2}
    END {print "running pid " pid " rss_kib " rss " peak_kib " peak " threads " threads}' "/proc/$pid/status"
  awk '{print "cpu_s " ($14 + $15) / 100}' "/proc/$pid/stat"
}

[ $# -ge 2 ] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
action=$1
DIR=$(realpath -m "$2")
shift 2
case $action in
  start) [ $# -ge 2 ] || die "start needs REST_PORT and BOOTSTRAP"; start "$@" ;;
  stop) end TERM ;;
  kill) end KILL ;;
  status) status ;;
  *) die "no action $action" ;;
esac
