# shellcheck shell=bash disable=SC2154 # the variables of common.sh
# Python environments with pinned packages, in the user's cache. Sourced after common.sh and steps.sh.

# python_environment NAME REQUIREMENTS: leaves in `venv` the environment that has them, made where it is not there. The
# requirements' hash is in its name, so a changed version makes a new one.
python_environment() {
  local name=$1 requirements=$2 python key
  python=$(find_python)
  key=$({ "$python" --version && cat "$requirements"; } | sha256sum | cut -c1-12)
  venv=$user_cache/python/$name-$key
  if [[ ! -e $venv/complete ]]; then
    step "venv-$name" "Creating the Python environment $venv" make_venv "$python" "$requirements"
  fi
}

make_venv() {
  "$1" -m venv --clear "$venv" &&
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input -r "$2" &&
    touch "$venv/complete"
}
