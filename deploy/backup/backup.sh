#!/bin/sh
# Backs up what cannot be made again: sh deploy/backup/backup.sh /backups/2026-11-20
# With the environment of the control plane, and DATABASE_OWNER_URL. Nothing has to stop.
# Keys are not in it: keep them elsewhere (docs/install.md, "Keys").
set -eu
WHAT=backup
. "$(dirname -- "$0")/programs.sh"
[ $# -eq 1 ] || fail "usage: backup.sh FOLDER"
umask 077
mkdir -p "$1"
FOLDER=$(CDPATH= cd -- "$1" && pwd)

# The database first: what it names then lies in the store already, and is never removed there.
pg_dump --format=custom --no-owner --no-privileges --file="$FOLDER/database.new" "$DATABASE_OWNER_URL"
# A dump that cannot be listed is none.
pg_restore --list "$FOLDER/database.new" >/dev/null
mv "$FOLDER/database.new" "$FOLDER/database.dump"

# ARTIFACTS names another place, for one store of many backups: only new ones are copied.
"$PYTHON" "$MANAGE" copy_blobs "$STORE_URL" "${ARTIFACTS:-file://$FOLDER/artifacts}"
echo "Backed up to $FOLDER."
