#!/usr/bin/env bash
# Collect the jars of an Apache Kafka broker and a Kafka Connect worker in one folder.
#
#   fetch-kafka.sh
#
# Everything comes through the ordinary Maven client; no release tarball is needed.
# Prints the folder of the jars. Running it again for the same version returns at once.
#
# Environment:
#   KAFKA_HOME_CACHE  the folder to fill, ~/.cache/kafka-test by default:
#     libs/*.jar      broker, command-line tools, clients, Connect runtime
#     plugins/*/      what a Connect worker takes as plugin.path (file, mirror)
#     VERSION         the release and the layout number, written last
#   KAFKA_VERSION     another release than the one that the tests are written against
set -euo pipefail

readonly KAFKA_VERSION=${KAFKA_VERSION:-4.3.1}
readonly SCALA_BINARY=2.13
# The log4j that this Kafka release brings itself; the binding to slf4j must match it.
readonly LOG4J_VERSION=${LOG4J_VERSION:-2.25.4}
readonly LAYOUT=1

die() { echo "fetch-kafka: $*" >&2; exit 1; }

[ $# -eq 0 ] || die "it takes no arguments"
cache=${KAFKA_HOME_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kafka-test}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
stamp="kafka $KAFKA_VERSION, log4j $LOG4J_VERSION, layout $LAYOUT"

exec 9>"$cache/.lock"
flock 9
if [ -f "$cache/VERSION" ] && [ "$(cat "$cache/VERSION")" = "$stamp" ]; then
  echo "$cache/libs"
  exit 0
fi

command -v mvn >/dev/null || die "mvn is missing; install it with: apt-get install maven"
build=$(mktemp -d "$cache/.build.XXXXXX")
trap 'rm -rf "$build"' EXIT

# collect NAME GROUP:ARTIFACT:VERSION... copies these and all they need to run
# into $build/NAME/jars, by way of a throw-away Maven project.
collect() {
  local name=$1 coordinate group artifact version
  shift
  mkdir -p "$build/$name"
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo "<groupId>local</groupId><artifactId>$name</artifactId><version>1</version><packaging>pom</packaging>"
    echo '<dependencies>'
    for coordinate in "$@"; do
      IFS=: read -r group artifact version <<<"$coordinate"
      echo "<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$build/$name/pom.xml"
  mvn -q -B -f "$build/$name/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$build/$name/jars" >&2
}

kafka() { # ARTIFACT... as coordinates of this release
  local artifact
  for artifact in "$@"; do echo "org.apache.kafka:$artifact:$KAFKA_VERSION"; done
}

mapfile -t main < <(kafka "kafka_$SCALA_BINARY" kafka-tools connect-runtime connect-api \
  connect-json connect-transforms connect-basic-auth-extension)
collect libs "${main[@]}" "org.apache.logging.log4j:log4j-slf4j-impl:$LOG4J_VERSION"
collect file "$(kafka connect-file)"
mapfile -t mirror < <(kafka connect-mirror connect-mirror-client)
collect mirror "${mirror[@]}"

rm -rf "$cache/libs" "$cache/plugins"
mkdir -p "$cache/plugins"
mv "$build/libs/jars" "$cache/libs"
# A plugin folder holds only what the worker does not bring already.
for plugin in file mirror; do
  mkdir "$cache/plugins/$plugin"
  for jar in "$build/$plugin/jars"/*.jar; do
    [ -e "$cache/libs/$(basename "$jar")" ] || mv "$jar" "$cache/plugins/$plugin/"
  done
done
echo "$stamp" >"$cache/VERSION"
echo "$cache/libs"
