# shellcheck shell=bash disable=SC2154 # the variables of common.sh
# Builds the job of another commit, to compare with. Sourced after common.sh and steps.sh.
#
# In a folder inside build/, always the same, so that ccache knows the files from the last time. The wire clients, which
# take longest, are not built again where they are the same in both commits.

against=$root/build/against

# no_revision WHY: there is nothing to compare with; that is no failure.
no_revision() {
  say "Not compared with another commit: $1"
  return 1
}

# build_revision REVISION: leaves its job in $against/tree/build/release and its name in `revision`.
build_revision() {
  local tree=$against/tree target=$root/build/cargo
  revision=$(git -C "$root" rev-parse --verify --quiet "$1^{commit}") ||
    { no_revision "there is no $1 here (the first commit, or a shallow clone: git fetch --deepen=1)"; return; }
  if [[ -x $tree/build/release/job && $(cat "$against/built" 2>/dev/null) == "$revision" ]]; then return 0; fi
  rm -rf "$tree" "$against/built"
  mkdir -p "$tree" "$logs"
  # -m: the files are as new as the folder, whatever was built in it before.
  git -C "$root" archive "$revision" | tar -x -m -C "$tree" || { no_revision "its files cannot be read"; return; }
  if git -C "$root" diff --quiet "$revision" -- src/clients; then
    # The same folder for both, so that cargo finds its work done.
    rm -rf "$tree/src/clients"
    ln -s "$root/src/clients" "$tree/src/clients"
  else
    target=$against/cargo
    if [[ ! -d $target && -d $root/build/cargo ]]; then cp -a "$root/build/cargo" "$target"; fi
  fi
  say "Building the job of $revision (log: $logs/build-against.log)"
  if ! build_tree "$tree" "$target" >"$logs/build-against.log" 2>&1 </dev/null; then
    tail -n 15 "$logs/build-against.log" >&2
    no_revision "the job of $revision cannot be built here"
    return
  fi
  echo "$revision" >"$against/built"
}

build_tree() {
  CCACHE_BASEDIR=$1 cmake -S "$1" --preset release -DDATAFLOW_TESTS=OFF -DCLIENTS_TARGET_DIR="$2" &&
    CCACHE_BASEDIR=$1 cmake --build "$1/build/release" --target job
}
