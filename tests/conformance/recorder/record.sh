#!/usr/bin/env bash
# Records what Kafka Connect answers to the cases of a file: `record.sh smt|converters FILE` writes the same cases with
# the answers to standard output. It needs a JDK 17 and the jars that tests/harness fetches; KAFKA_LIBS names another
# folder of jars.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ $# -ne 2 ]; then
    echo "usage: record.sh smt|converters FILE" >&2
    exit 2
fi
libs=${KAFKA_LIBS:-${XDG_CACHE_HOME:-$HOME/.cache}/kafka-test/libs}
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac -d "$classes" -cp "$libs/*" "$here"/*.java
# Some answers depend on where they are given.
java -Xmx1g -Duser.timezone=UTC -Duser.language=en -cp "$classes:$libs/*" Recorder "$1" < "$2"
