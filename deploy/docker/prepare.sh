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
openssl genpkey -algorithm ed25519 -out "$folder/sealer_key"
# The sealer's public half, as a line of C2SP signed-note: name+hash+base64.
origin="lockgate.compose/$(openssl rand -hex 4)"
openssl pkey -in "$folder/sealer_key" -pubout -outform DER | tail -c 32 > "$folder/public"
hash=$({ printf '%s\n\001' "$origin"; cat "$folder/public"; } | openssl dgst -sha256 -r | cut -c 1-8)
key=$({ printf '\001'; cat "$folder/public"; } | openssl base64 -A)
echo "$origin+$hash+$key" > "$folder/checkpoint_keys"
rm "$folder/public"
# Containers read them as another user; the folder is closed to others here.
chmod 0444 "$folder/secret_key" "$folder/signing_key" "$folder/sealer_key" "$folder/checkpoint_keys"
{
    for name in POSTGRES_PASSWORD OWNER_PASSWORD APP_PASSWORD SEALER_PASSWORD BROKER_PASSWORD MIRROR_PASSWORD \
        S3_SECRET_KEY INFERENCE_TOKEN; do
        echo "$name=$(secret)"
    done
    echo "S3_ACCESS_KEY=lockgate"
    echo "SECRET_KEY_PATH=$folder/secret_key"
    echo "SIGNING_KEY_PATH=$folder/signing_key"
    echo "SEALER_KEY_PATH=$folder/sealer_key"
    echo "CHECKPOINT_KEYS_PATH=$folder/checkpoint_keys"
    echo "SEALER_ORIGIN=$origin"
} > "$folder/env.new"
mv "$folder/env.new" "$folder/env"
echo "$folder/env"
