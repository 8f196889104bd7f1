#!/usr/bin/env bash
# What ./quickstart and ./test have in common: tools and builds. Sourced at the top of the checkout.

# A title above what follows, in bold where it is read on a terminal.
title() { if [ -t 1 ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n== %s\n' "$*"; fi; }

die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# install_hint apt-PACKAGES: the command that installs something here.
install_hint() {
  if command -v apt-get >/dev/null; then echo "apt-get install $1"
  elif command -v dnf >/dev/null; then echo "dnf install gcc gcc-c++ make perl"
  elif [ "$(uname)" = Darwin ]; then echo "xcode-select --install"
  else echo "your package manager: gcc, g++, make, perl"; fi
}

# Names every missing tool with the way to get it, then installs Rust's part.
need_tools() {
  local tool missing=0
  PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  for tool in cc c++ make perl; do
    command -v "$tool" >/dev/null && continue
    echo "$tool is missing; install it with: $(install_hint 'build-essential perl')" >&2
    missing=1
  done
  if ! command -v rustup >/dev/null; then
    echo "rustup is missing; install it as https://rustup.rs says" >&2
    missing=1
  fi
  [ "$missing" = 0 ] || exit 1
  # The compiler is the one that rust-toolchain.toml names; rustup gets it when it is first asked for.
  rustc --version >/dev/null || die "the Rust toolchain could not be installed"
  rustup target list --installed | grep -qx wasm32-wasip2 || rustup target add wasm32-wasip2
}

# The worker; the shipped guests are built with it and are part of it. The whole workspace at once: cargo picks
# the features of libraries by what is built together, and the worker alone would compile many a second time.
build_worker() { cargo build --locked --workspace; }

worker_binary() { echo "${CARGO_TARGET_DIR:-target}/debug/cofferdam"; }

# The example connector, in the folder where the worker's own guests are built; EXAMPLE names it.
build_example() {
  cargo build --locked --release --target wasm32-wasip2 -p cofferdam-example-shop \
    --manifest-path guest-connectors/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/guests"
  # shellcheck disable=SC2034
  EXAMPLE=${CARGO_TARGET_DIR:-target}/guests/wasm32-wasip2/release/shop.wasm
}
