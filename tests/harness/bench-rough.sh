#!/usr/bin/env bash
# A first rough comparison with the real Kafka Connect: the same file goes through a FileStream source
# into a topic, and from there through a sink into a file, once with each worker.
#
#   bench-rough.sh [LINES]     1,000,000 lines of 100 bytes unless told
#
# Printed are records per second of the worker's own processor time, time until REST answers, and
# memory, with ratios. Every run is checked: all lines have to arrive. Needs Java and Maven.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/harness/setup.sh
. tests/harness/setup.sh

readonly LINES=${1:-1000000}
readonly KAFKA_PORT=19592 REST_PORT=18583
readonly KAFKA=tests/harness/kafka
readonly BOOTSTRAP=127.0.0.1:$KAFKA_PORT URL=http://127.0.0.1:$REST_PORT
readonly WAIT=600

need_tools
command -v curl >/dev/null || die "curl is missing; install it with: apt-get install curl"
title "Building for release"
cargo build --locked --release -p cofferdam
cofferdam=${CARGO_TARGET_DIR:-target}/release/cofferdam
libs=$("$KAFKA/fetch-kafka.sh")

run=$(mktemp -d "${TMPDIR:-/tmp}/cofferdam-bench.XXXXXX")
own=''
cleanup() {
  [ -z "$own" ] || kill "$own" 2>/dev/null || true
  "$KAFKA/connect.sh" stop "$run/connect" || true
  "$KAFKA/kafka.sh" wipe "$run/kafka" || true
  rm -rf "$run"
}
trap cleanup EXIT

title "Starting Kafka, writing $LINES lines"
"$KAFKA/kafka.sh" start "$run/kafka" "$KAFKA_PORT"
awk -v n="$LINES" 'BEGIN {for (i = 0; i < n; i++) printf "line %012d %s\n", i, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabc"}' >"$run/in.txt"

await() { # WHAT COMMAND...
  local what=$1 deadline=$((SECONDS + WAIT))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || die "waited $WAIT s in vain: $what"
    sleep 0.1
  done
}
now_ms() { date +%s%3N; }
cpu_ms() { awk '{print ($14 + $15) * 10}' "/proc/$1/stat"; }
memory_mib() { awk -v what="$2" '$1 == what {print int($2 / 1024)}' "/proc/$1/status"; }
tool() { java -XX:TieredStopAtLevel=1 -cp "$libs/*" "$@" 2>/dev/null; }
in_topic() { # TOPIC: all lines are in it
  [ "$(tool org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$BOOTSTRAP" --topic "$1" |
    awk -F: '{n += $3} END {print n + 0}')" -ge "$LINES" ]
}
in_file() { [ -f "$1" ] && [ "$(wc -l <"$1")" -ge "$LINES" ]; }
create() { # NAME KEY=VALUE...
  local name=$1 pair config=''
  shift
  for pair in "$@"; do config+=",\"${pair%%=*}\":\"${pair#*=}\""; done
  curl -fsS -o /dev/null -H 'Content-Type: application/json' "$URL/connectors" \
    -d "{\"name\":\"$name\",\"config\":{\"tasks.max\":\"1\"$config}}"
}

# measure WHO PID: runs both connectors and writes "what value" lines.
measure() {
  local who=$1 pid=$2 before text=org.apache.kafka.connect.storage.StringConverter
  local file=org.apache.kafka.connect.file.FileStream
  echo "idle_mib $(memory_mib "$pid" VmRSS:)"
  before=$(cpu_ms "$pid")
  create "$who-source" "connector.class=${file}SourceConnector" "file=$run/in.txt" "topic=$who" "value.converter=$text"
  await "all lines in topic $who" in_topic "$who"
  echo "source_per_cpu_s $((LINES * 1000 / ($(cpu_ms "$pid") - before)))"
  curl -fsS -X DELETE "$URL/connectors/$who-source"
  before=$(cpu_ms "$pid")
  create "$who-sink" "connector.class=${file}SinkConnector" "file=$run/$who.txt" "topics=$who" "value.converter=$text"
  await "all lines in the sink's file" in_file "$run/$who.txt"
  echo "sink_per_cpu_s $((LINES * 1000 / ($(cpu_ms "$pid") - before)))"
  echo "peak_mib $(memory_mib "$pid" VmHWM:)"
  cmp -s "$run/in.txt" "$run/$who.txt" || die "$who: the lines that arrived are not those that were sent"
}

title "Cofferdam"
cat >"$run/worker.properties" <<TEXT
bootstrap.servers=$BOOTSTRAP
listeners=$URL
group.id=bench
config.storage.topic=bench-configs
offset.storage.topic=bench-offsets
status.storage.topic=bench-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
cofferdam.data.dir=$run/data
TEXT
answers() { curl -fs -m 2 -o /dev/null "$URL/"; }
# Twice: the first start compiles the guests, which is done once per machine.
for start in first second; do
  began=$(now_ms)
  "$cofferdam" distributed "$run/worker.properties" 2>"$run/worker.log" &
  own=$!
  await "Cofferdam answers" answers
  echo "${start}_ready_ms $(($(now_ms) - began))" | tee -a "$run/cofferdam.out"
  [ "$start" = second ] || { kill "$own"; wait "$own"; }
done
measure cofferdam "$own" | tee -a "$run/cofferdam.out"
kill "$own"
wait "$own"
own=''

title "Kafka Connect"
KAFKA_HEAP=256m CONNECT_GROUP=kc "$KAFKA/connect.sh" start "$run/connect" "$REST_PORT" "$BOOTSTRAP" |
  sed 's/^rest_ready_ms/second_ready_ms/' | tee "$run/connect.out"
measure connect "$(<"$run/connect/pid")" | tee -a "$run/connect.out"

title "Cofferdam beside Kafka Connect, $LINES lines"
awk 'NR == FNR {theirs[$1] = $2; next}
  $1 in theirs {ratio = $1 ~ /per_cpu/ ? $2 / theirs[$1] : theirs[$1] / $2
    printf "%-20s %12d %12d   %6.1f times better\n", $1, $2, theirs[$1], ratio}' \
  "$run/connect.out" "$run/cofferdam.out"
