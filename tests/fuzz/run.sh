#!/usr/bin/env bash
# Runs each fuzz target for a while, one after the other.
#
#   tests/fuzz/run.sh [SECONDS] [TARGET...]      60 seconds, all of them, unless told
#
# Needs what ./test needs and nothing more: the compiler of rust-toolchain.toml instruments the code for libFuzzer,
# whose sources are part of a crate. There is no address sanitizer, since no unsafe code is fuzzed. What was found
# useful is kept in target/fuzz/corpus, and an input that broke something in target/fuzz/artifacts; the target that
# it broke takes it as an argument.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/harness/setup.sh
. tests/harness/setup.sh

readonly DURATION=${1:-60}
[[ $DURATION =~ ^[0-9]+$ ]] || die "how many seconds? $DURATION is no number"
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(frame rows json)

need_tools
readonly OUT=${CARGO_TARGET_DIR:-target}/fuzz
triple=$(rustc -vV | sed -n 's/^host: //p')

title "Building"
# What cargo-fuzz passes, for a stable compiler. With --target, build scripts are left alone.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
cargo build --locked --release --manifest-path tests/fuzz/Cargo.toml --target-dir "$OUT" --target "$triple"

# vectors NAME TARGET [PREFIX]: the bytes of the contract's vectors as inputs, each behind PREFIX (in hexadecimal).
vectors() {
  perl -ne 'BEGIN { ($path, $prefix) = (shift, shift) }
    next unless /"hex": "([0-9a-f]*)"/;
    open(my $out, ">", $path . "-" . $n++) or die "$path: $!";
    print $out pack("H*", $prefix . $1);' "$OUT/corpus/$2/$1-${3:-}" "${3:-}" "wit/vectors/$1.json"
}

mkdir -p "$OUT"/corpus/{frame,rows,json} "$OUT/artifacts"
vectors frames frame
vectors damaged frame
# As a tape; as text, as a struct, as an array of texts, as a map of texts.
for schemas in 00 01070a00 03020a00070b000b8a01 02070b00090a00 02070a000a0a00; do
  vectors values rows "$schemas"
done
for seed in tests/fuzz/seeds/json/*.json; do
  for options in 0 1 2 3; do
    { printf '%b' "\\$options"; cat "$seed"; } >"$OUT/corpus/json/$(basename "$seed" .json)-$options"
  done
done

broken=0
for target in "${targets[@]}"; do
  title "$target, $DURATION seconds"
  "$OUT/$triple/release/$target" -max_total_time="$DURATION" -max_len=4096 -timeout=60 -rss_limit_mb=2048 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="$OUT/artifacts/$target-" "$OUT/corpus/$target" || broken=1
done
[ "$broken" = 0 ] || die "an input broke a target: see $OUT/artifacts"
