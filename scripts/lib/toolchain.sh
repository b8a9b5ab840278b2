# shellcheck shell=bash
# Which cargo the build uses. Sourced after common.sh.

rust_minimum=1.88

# cargo_serves CARGO: true when that cargo runs and is new enough.
cargo_serves() {
  local version
  [[ -x $1 ]] || return 1
  version=$("$1" --version 2>/dev/null | sed -nE 's/^cargo ([0-9]+\.[0-9]+).*/\1/p')
  [[ $version ]] && printf '%s\n' "$rust_minimum" "$version" | sort --version-sort --check=quiet
}

# find_cargo: the first cargo that serves: the one on PATH, rustup's, Debian's.
find_cargo() {
  local cargo
  for cargo in "$(command -v cargo || true)" "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" /usr/bin/cargo; do
    if cargo_serves "$cargo"; then
      echo "$cargo"
      return
    fi
  done
  return 1
}

# use_cargo: puts that cargo, and the rustc beside it, first on PATH.
use_cargo() {
  local cargo
  cargo=$(find_cargo) || die "no cargo of version $rust_minimum or later. Install it with: scripts/install.sh build"
  if [[ $cargo != "$(command -v cargo || true)" ]]; then PATH=$(dirname "$cargo"):$PATH; fi
}
