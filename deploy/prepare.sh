#!/usr/bin/env bash
# Secrets of a deployment by docker-compose.yml, made once: .env and deploy/secrets/, readable by their owner and by the
# container that needs them. What is there already stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf 'prepare: %s\n' "$*" >&2; }
random() { head -c "$1" /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }

if [ ! -e .env ]; then
  (umask 077 && printf 'NG_JWT_SECRET=%s\nNG_REDIS_PASSWORD=%s\n' "$(random 48)" "$(random 32)" >.env)
  say "made .env (NG_JWT_SECRET, NG_REDIS_PASSWORD): whoever signs tokens needs the first"
else
  say "kept .env"
fi

folder=deploy/secrets
if [ ! -e $folder/prometheus.key ] || [ ! -e $folder/hub.toml ]; then
  mkdir -p $folder
  key="ngk_$(random 32)"
  digest=$(printf '%s' "$key" | sha256sum | cut -d' ' -f1)
  printf '%s' "$key" >$folder/prometheus.key
  cat >$folder/hub.toml <<TOML
# Read by both hubs. More channels, keys and issuers: docs/SETTINGS.md
[api_keys.prometheus]
sha256 = "$digest"
role = "admin"
TOML
  # Containers run as users of their own, and these files are mounted as they are.
  chmod 644 $folder/prometheus.key $folder/hub.toml
  chmod 711 $folder
  say "made $folder/prometheus.key and $folder/hub.toml: by that key Prometheus reads /metrics"
else
  say "kept $folder"
fi
say "next: docker compose up -d --build"
