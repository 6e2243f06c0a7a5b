# Base images for scripts/docker-demo; sourced by it. Expects common.sh, $work (a directory to work in), $prefix (of the
# names of what is made) and the function `made IMAGE`, which notes an image for removal.
# shellcheck shell=bash disable=SC2154

SUITE=bookworm
CACHE=${TCPX_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/tcpx}

# choose_bases: sets BUILD_BASE and RUNTIME_BASE to the Dockerfile's own bases where a registry gives them, else to a
# stand-in made here. TCPX_BUILD_BASE and TCPX_RUNTIME_BASE name others.
choose_bases() {
  BUILD_BASE=${TCPX_BUILD_BASE:-$(sed -n 's/^ARG BUILD_BASE=//p' "$ROOT/Dockerfile")}
  RUNTIME_BASE=${TCPX_RUNTIME_BASE:-$(sed -n 's/^ARG RUNTIME_BASE=//p' "$ROOT/Dockerfile")}
  local start
  start=$(now_ms)
  if have_image "$BUILD_BASE" && have_image "$RUNTIME_BASE"; then
    say "base images $BUILD_BASE and $RUNTIME_BASE ($(elapsed "$start"))"
  else
    say "no image registry gives $BUILD_BASE and $RUNTIME_BASE: a stand-in takes their place"
    stand_in
    BUILD_BASE=$prefix-base RUNTIME_BASE=$prefix-base
  fi
  add_host_trust
}

have_image() {
  docker image inspect "$1" >/dev/null 2>&1 || timeout 300 docker pull -q "$1" >"$work/pull.log" 2>&1 </dev/null
}

# Debian by debootstrap and Node from npm, where the official images have it (/usr/local); imported as $prefix-base.
stand_in() {
  local arch major tarball
  arch=$(node -p process.arch)
  major=$(node -p 'Math.max(22, Number(process.versions.node.split(".")[0]))')
  tarball=$CACHE/base-$SUITE-$arch-node$major.tar.gz
  if [ -s "$tarball" ]; then
    say "stand-in from $tarball"
  else
    need_packages debootstrap:debootstrap
    mkdir -p "$CACHE"
    step "debootstrap $SUITE" run_debootstrap "$work/rootfs" || fail 'debootstrap failed' 'is a Debian mirror within reach?'
    step "Node $major from npm" add_node "$work/rootfs" "$arch" "$major" || fail 'Node could not be had from npm' 'is the npm registry within reach?'
    step 'pack the stand-in' pack_rootfs "$work/rootfs" "$tarball" || fail "cannot write $tarball" 'TCPX_CACHE names another directory'
  fi
  made "$prefix-base"
  step 'docker import of the stand-in' import_image "$tarball" "$prefix-base" || {
    rm -f "$tarball"
    fail 'the stand-in could not be imported' "$tarball is removed; run this again"
  }
}

import_image() { docker import --change 'CMD ["node"]' "$1" "$2"; }

run_debootstrap() {
  # The mirror that this machine's own apt uses for the suite, if it is of the suite.
  local mirror
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | awk -v suite="$SUITE" '$1 == suite { print $2; exit }')
  mirror=${mirror:-http://deb.debian.org/debian}
  rm -rf "$1"
  again 2 debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$1" "$mirror" || return 1
  # Slim as Debian's slim images are: no documentation, no translations, no downloads.
  rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin \
    "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/info/* "$1"/usr/share/locale/*
}

# The npm package node-linux-ARCH holds bin/node and the headers; npm itself is another package, whole in its tarball.
add_node() {
  local local_dir=$1/usr/local npm
  (cd "$work" && again 2 npm pack --silent "node-linux-$2@$3" "npm@10") || return 1
  tar -xzf "$work"/node-linux-*.tgz -C "$local_dir" --strip-components=1 --no-same-owner package/bin package/include || return 1
  npm=$local_dir/lib/node_modules/npm
  mkdir -p "$npm"
  tar -xzf "$work"/npm-*.tgz -C "$npm" --strip-components=1 --no-same-owner || return 1
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$local_dir/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$local_dir/bin/npx"
  chmod 755 "$local_dir/bin/node" "$npm/bin/npm-cli.js" "$npm/bin/npx-cli.js"
  rm -f "$work"/*.tgz
}

# Written under another name first: an interrupted run must not leave half a tarball for the next one.
pack_rootfs() {
  tar -C "$1" -c . | gzip -1 >"$2.part" && mv "$2.part" "$2" && rm -rf "$1"
}

# Where this machine trusts certificates of its own, or uses a registry of its own, the build stage must as well: a layer
# on its base says so. Nothing of it gets into the image that is built.
add_host_trust() {
  local bundle=$work/trust/host-ca.pem file registry
  rm -rf "$work/trust"
  mkdir -p "$work/trust"
  for file in "${NODE_EXTRA_CA_CERTS:-}" "${SSL_CERT_FILE:-}" "$(npm config get cafile 2>/dev/null)"; do
    if [ -s "$file" ]; then
      cat "$file" >"$bundle"
      break
    fi
  done
  for file in /usr/local/share/ca-certificates/*.crt; do [ ! -s "$file" ] || cat "$file" >>"$bundle"; done
  registry=$(npm config get registry 2>/dev/null)
  echo "FROM $BUILD_BASE" >"$work/trust/Dockerfile"
  if [ -s "$bundle" ]; then
    printf 'COPY host-ca.pem /usr/local/share/host-ca.pem\nENV NODE_EXTRA_CA_CERTS=/usr/local/share/host-ca.pem\n' >>"$work/trust/Dockerfile"
  fi
  case $registry in '' | undefined | https://registry.npmjs.org/) ;; *) echo "ENV npm_config_registry=$registry" >>"$work/trust/Dockerfile" ;; esac
  [ "$(wc -l <"$work/trust/Dockerfile")" -gt 1 ] || return 0
  made "$prefix-build-base"
  step "certificates and registry of this machine" docker build -t "$prefix-build-base" "$work/trust" || fail 'the build base could not be made'
  BUILD_BASE=$prefix-build-base
}
