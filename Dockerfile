# tcpx in an image: docker build -t tcpx . && docker run --rm -it tcpx sudo tcpx connect HOST:PORT
# Docker's default capabilities are enough. Both bases must be of one Debian release (glibc, libpcap); the build stage
# needs npm and Node's headers under /usr/local, as the official images have them. Nothing here needs BuildKit.
ARG BUILD_BASE=node:22-bookworm
ARG RUNTIME_BASE=node:22-bookworm-slim

FROM ${BUILD_BASE} AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libpcap-dev python3 make g++ \
 && rm -rf /var/lib/apt/lists/*
# Compile against the headers of this very Node instead of downloading some; an addon that cannot be built ends the build.
ENV npm_config_nodedir=/usr/local npm_config_update_notifier=false \
    TCPX_REQUIRE_ADDON=1
WORKDIR /opt/tcpx
# What the native parts are made from comes first, so that a change in TypeScript doesn't compile them again.
COPY package.json package-lock.json ./
COPY scripts/build-addon.mjs scripts/
COPY src/link/native src/link/native
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/finish-build.mjs scripts/
COPY src src
RUN npm run build \
 && npm prune --omit=dev --no-audit --no-fund \
 && find . -type d \( -name obj.target -o -name .deps \) -prune -exec rm -rf {} +

FROM ${RUNTIME_BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="tcpx" \
      org.opencontainers.image.description="A complete TCP in userspace, in TypeScript, that logs every state transition with its cause" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
# npm and yarn come with the base and are of no use here.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libpcap0.8 sudo \
 && rm -rf /var/lib/apt/lists/* /usr/local/lib/node_modules /opt/yarn* \
 && rm -f /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg
ENV NODE_ENV=production
WORKDIR /opt/tcpx
COPY --from=build /opt/tcpx/package.json ./
COPY LICENSE ./
COPY --from=build /opt/tcpx/node_modules node_modules
COPY --from=build /opt/tcpx/src/link/native/build/Release/tcpx.node src/link/native/build/Release/
COPY --from=build /opt/tcpx/dist dist
# Every native part must load here, in the stage that is shipped, or there is no image.
RUN ln -s /opt/tcpx/dist/cli/main.js /usr/local/bin/tcpx \
 && node -e "require('raw-socket'); require('cap'); require('./src/link/native/build/Release/tcpx.node')" \
 && sudo tcpx --version
WORKDIR /root
# No entry point: the official images' would start node for a word it doesn't know.
ENTRYPOINT []
CMD ["tcpx", "--help"]
