#!/bin/sh
# Restores a backup into an empty database and a store: sh deploy/backup/restore.sh /backups/2026-11-20
# Web, worker and beat are stopped. Agents are not: they serve on, and are ahead afterwards.
set -eu
WHAT=restore
. "$(dirname -- "$0")/programs.sh"
[ $# -eq 1 ] || fail "usage: restore.sh FOLDER"
[ -f "$1/database.dump" ] || fail "there is no $1/database.dump"
FOLDER=$(CDPATH= cd -- "$1" && pwd)

# All or nothing: into a database that has tables it changes nothing, and says so.
pg_restore --exit-on-error --single-transaction --no-owner --no-privileges \
    --dbname="$DATABASE_OWNER_URL" "$FOLDER/database.dump" \
    || fail "nothing was restored: is the database empty?"

# To the schema of this release, and the application's rights; then the artifacts, then the proof.
"$PYTHON" "$MANAGE" migrate --noinput -v 0
"$PYTHON" "$MANAGE" copy_blobs "${ARTIFACTS:-file://$FOLDER/artifacts}" "$STORE_URL"
"$PYTHON" "$MANAGE" audit_verify
echo "Restored. Start web, worker and beat; agents that are ahead raise a red bar (docs/install.md)."
