#!/bin/sh
# Makes the secrets of compose.yaml once, below .lockgate/compose (or a folder you name):
#     sh deploy/docker/prepare.sh
#     docker compose --env-file .lockgate/compose/env up --build
set -eu
folder="${1:-.lockgate/compose}"
umask 077
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ -e "$folder/env" ]; then
    echo "$folder/env is there already; remove the folder to start over." >&2
    exit 0
fi
secret() { openssl rand -hex 32 | tr -d '\n'; }
secret > "$folder/secret_key"
openssl genpkey -algorithm ed25519 -out "$folder/signing_key"
# Containers read them as another user; the folder is closed to others here.
chmod 0444 "$folder/secret_key" "$folder/signing_key"
{
    for name in POSTGRES_PASSWORD OWNER_PASSWORD APP_PASSWORD BROKER_PASSWORD MIRROR_PASSWORD \
        S3_SECRET_KEY INFERENCE_TOKEN; do
        echo "$name=$(secret)"
    done
    echo "S3_ACCESS_KEY=lockgate"
    echo "SECRET_KEY_PATH=$folder/secret_key"
    echo "SIGNING_KEY_PATH=$folder/signing_key"
} > "$folder/env.new"
mv "$folder/env.new" "$folder/env"
echo "$folder/env"
