# Sallyport in a container. State is in /var/lib/sallyport: keep it on a volume, and the vault key in a backup elsewhere.
#   docker build -t sallyport .
#   docker run --rm -v sallyport:/var/lib/sallyport sallyport init
#   docker run -d --name sallyport --hostname gateway.example.com --stop-timeout 60 --ulimit core=0 \
#     --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -p 2222:2222 -p 5433:5433 -p 8443:8443 -v sallyport:/var/lib/sallyport sallyport
#   docker exec -i sallyport sallyport apply -f - < resources.yaml
# The host name is in the certificate that the gateway makes for itself. The stop timeout is longer than shutdown.drain (30s).

FROM node:24-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 make g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/sallyport
COPY package.json package-lock.json ./
COPY scripts scripts
# The packages, and ssh2's native binding for Node 24; then only what is needed to run stays. The image brings its own Node.
RUN scripts/bring \
 && npm prune --omit=dev --omit=optional --ignore-scripts \
 && rm -rf node_modules/node-linux-* node_modules/.bin/node node_modules/ssh2/test \
 && find node_modules -mindepth 1 -type d -empty -delete

FROM node:24-slim
ENV NODE_ENV=production
# What targets and Redis are checked against where no CA is named; and a first process that passes signals on at any moment.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates tini \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/sallyport
COPY --from=build /opt/sallyport/node_modules node_modules
COPY package.json LICENSE ./
COPY bin bin
COPY src src
RUN node -e 'if (!require("ssh2/lib/protocol/crypto.js").bindingAvailable) throw new Error("the native binding is missing")' \
 && ln -s /opt/sallyport/bin/sallyport /usr/local/bin/sallyport \
 && install -d -o node -g node -m 0700 /var/lib/sallyport \
 && install -d /etc/sallyport \
 && printf '%s\n' 'dataFolder: /var/lib/sallyport' 'api: { host: 0.0.0.0 }' > /etc/sallyport/sallyport.yaml
USER node
RUN sallyport --version
VOLUME /var/lib/sallyport
EXPOSE 2222 5433 8443
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["sallyport", "health", "--live"]
ENTRYPOINT ["tini", "--", "sallyport"]
CMD ["start"]
