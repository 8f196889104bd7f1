# The usual tasks; `just` lists them. Everything here also works without just: see the commands.

_default:
    @just --list

# The worker with its guests, as ./quickstart and ./test build it
build:
    #!/usr/bin/env bash
    set -euo pipefail
    . tests/harness/setup.sh && need_tools && build_worker

# Every test
test:
    ./test

# Everything that must hold before a change lands
check: fmt lint test deny doc

# Formatting of host, guests and test programs
fmt:
    cargo fmt --all --check
    cargo fmt --all --check --manifest-path guest-connectors/Cargo.toml
    cargo fmt --all --check --manifest-path tests/fuzz/Cargo.toml
    cargo fmt --all --check --manifest-path tests/programs/Cargo.toml

# Lints, none allowed to stay
lint:
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo clippy --locked --workspace --all-targets --manifest-path guest-connectors/Cargo.toml -- -D warnings
    if command -v shellcheck >/dev/null; then shellcheck -x quickstart test .ci/run tests/conformance/recorder/*.sh tests/fuzz/*.sh tests/harness/*.sh tests/harness/*/*.sh; fi

# Licences, advisories and doubled libraries, where cargo-deny is installed
deny:
    if command -v cargo-deny >/dev/null; then cargo deny --workspace check; fi

# Documentation without warnings
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# The main job, shown
quickstart *options:
    ./quickstart {{options}}

# Cofferdam beside the real Kafka Connect, everything, three times: some 40 minutes with nothing else on the machine;
# writes docs/benchmarks.md and target/bench.json. `just bench a b --rounds 1 --records 100000` for some of it
bench *options: _bench-build
    #!/usr/bin/env bash
    set -euo pipefail
    target=${CARGO_TARGET_DIR:-target}
    what=({{options}})
    [ ${#what[@]} -gt 0 ] || what=(--report docs/benchmarks.md --json "$target/bench.json")
    COFFERDAM_BINARY=$target/release/cofferdam "$target/release/bench" "${what[@]}"

# The same in under three minutes, once and without the tuned Kafka Connect: what a change can be judged by
bench-quick *options: _bench-build
    COFFERDAM_BINARY=${CARGO_TARGET_DIR:-target}/release/cofferdam ${CARGO_TARGET_DIR:-target}/release/bench --quick {{options}}

_bench-build:
    tests/harness/kafka/fetch-kafka.sh >/dev/null
    cargo build --locked --quiet --release --workspace --bin cofferdam --bin bench

# Instructions a record of fixed work, written anew as what later runs of the tests are compared with
instructions:
    UPDATE_EXPECT=1 cargo test --locked --workspace --test counts -- --show-output

# Faults against a real Kafka and a real worker, as a table: kills, brokers that go away, refusals, hostile guests,
# rebalances; `just faults NAME... --short` for some of them, or fewer records
faults *options:
    cargo build --locked --quiet --workspace
    ${CARGO_TARGET_DIR:-target}/debug/faults {{options}}

# Recorded answers of Kafka Connect, case by case: `just conformance smt FILE`, `just conformance converters FILE`
conformance kind file:
    cargo build --locked --quiet --workspace
    ${CARGO_TARGET_DIR:-target}/debug/conformance {{kind}} {{file}}

# What Kafka Connect itself answers to the cases of a file: `just record smt FILE`, `just record converters FILE`
record kind file:
    tests/conformance/recorder/record.sh {{kind}} {{file}}

# Nanoseconds a record of the stock transforms, in the sandbox and natively; `just bench-transforms RegexRouter chain`
bench-transforms *classes:
    cargo build --locked --release --workspace
    ${CARGO_TARGET_DIR:-target}/release/bench-transforms {{classes}}

# Each fuzz target for a while
fuzz seconds="60":
    tests/fuzz/run.sh {{seconds}}
