# What the scripts here share; sourced, not run. Sets ROOT (the checkout) and NAME (who speaks), and leaves the
# caller's directory alone. Messages go to stdout, failures to stderr with a remedy.
# shellcheck shell=bash

# shellcheck disable=SC2034
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
NAME=${NAME:-$(basename "$0")}

# Administration tools (ip, nft, dockerd) are in directories that `su` without a dash leaves out.
case ":$PATH:" in *:/usr/sbin:*) ;; *) PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" ;; esac
export PATH

say() { printf '%s: %s\n' "$NAME" "$*"; }

# fail WHAT [REMEDY]
fail() {
  printf '%s: %s\n' "$NAME" "$1" >&2
  [ $# -lt 2 ] || printf '  hint: %s\n' "$2" >&2
  exit 1
}

now_ms() { date +%s%3N; }

# elapsed START_MS: '12.3 s' since then.
elapsed() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# Logs of steps; kept when something failed, so that it can be read.
LOGS=
log_dir() {
  [ -n "$LOGS" ] || LOGS=$(mktemp -d "${TMPDIR:-/tmp}/tcpx-$NAME.XXXXXX")
}

# log_of WHAT: the log of that step.
log_of() { printf '%s/%s.log' "$LOGS" "$(printf '%s' "$1" | tr -cs 'a-zA-Z0-9' '-' | cut -c1-60)"; }

# step WHAT COMMAND…: runs it with its output in a log; one line says what and how long. On failure the end of the log
# is shown and the status is the command's.
step() {
  local what=$1 log start status=0
  shift
  log_dir
  log=$(log_of "$what")
  start=$(now_ms)
  say "$what …"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" = 0 ]; then
    say "$what: done ($(elapsed "$start"))"
  else
    say "$what: FAILED with status $status ($(elapsed "$start")); the end of $log:" >&2
    tail -n "${TAIL:-60}" "$log" | sed 's/^/    /' >&2
  fi
  return "$status"
}

# again TIMES COMMAND…: until it succeeds; for what depends on a network.
again() {
  local left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    echo "once more in 3 s: $*"
    sleep 3
  done
}

# need_packages PACKAGE:PROBE…: installs those whose probe, a command or an absolute path, is not there; so the same
# thing from elsewhere (docker-ce, a hand-made g++) counts too. Sets installed_packages to how many it were.
installed_packages=0
need_packages() {
  local entry probe missing=()
  for entry in "$@"; do
    probe=${entry#*:}
    case $probe in
      /*) [ -e "$probe" ] || missing+=("${entry%%:*}") ;;
      *) command -v "$probe" >/dev/null || missing+=("${entry%%:*}") ;;
    esac
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "missing, and there is no apt-get to install them: ${missing[*]}" 'install them by hand, then run this again'
  step "Debian packages ${missing[*]}" apt_install "${missing[@]}" || fail 'the packages could not be installed' 'see the log above; is the network there?'
  installed_packages=${#missing[@]}
}

apt_install() {
  local options=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=120)
  export DEBIAN_FRONTEND=noninteractive
  again 3 apt-get "${options[@]}" update && again 2 apt-get "${options[@]}" install -y --no-install-recommends "$@"
}

# use_own_headers: native packages are compiled against the headers that came with this very Node, where they did, rather
# than against some that node-gyp downloads. npm 11 and later warn that they don't know the setting; node-gyp does.
use_own_headers() {
  local prefix header
  [ -z "${npm_config_nodedir:-}" ] || return 0
  prefix=$(node -p 'require("node:path").resolve(process.execPath, "../..")')
  header=$prefix/include/node/node_version.h
  [ -s "$header" ] || return 0
  if [ "$(awk '$2 ~ /^NODE_(MAJOR|MINOR|PATCH)_VERSION$/ { printf "%s%s", dot, $3; dot = "." }' "$header")" = "$(node -p process.versions.node)" ]; then
    export npm_config_nodedir=$prefix
  fi
}
