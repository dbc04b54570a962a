"""On the log itself: entries, payloads, heads, checkpoints."""

from lockgate.demo.attacks.attack import Attack, By, quietly

SIGNED = (
    "(SELECT min(seq) FROM audit_entry WHERE action = 'request.approved'"
    " AND subject LIKE 'approval:%')"
)
"""The entry that is worth most: somebody's signature."""


def entries(statements: str) -> str:
    return quietly("audit_entry", statements, "append_only")


def payloads(statements: str) -> str:
    return quietly("audit_payload", statements, "append_only")


CUT = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE audit_entry DISABLE TRIGGER append_only;
ALTER TABLE audit_payload DISABLE TRIGGER append_only;
ALTER TABLE audit_checkpoint DISABLE TRIGGER append_only;
ALTER TABLE audit_block DISABLE TRIGGER append_only;
CREATE TEMPORARY TABLE cut ON COMMIT DROP AS SELECT (SELECT {size}) AS size;
DELETE FROM audit_payload WHERE seq > (SELECT size FROM cut);
DELETE FROM audit_entry WHERE seq > (SELECT size FROM cut);
DELETE FROM audit_checkpoint WHERE size > (SELECT size FROM cut);
DELETE FROM audit_block WHERE (number + 1) * 256 > (SELECT size FROM cut);
UPDATE audit_head SET (seq, hash, at) =
    (SELECT seq, hash, at FROM audit_entry ORDER BY seq DESC LIMIT 1);
DELETE FROM audit_object_head;
INSERT INTO audit_object_head SELECT DISTINCT ON (object) object, object_seq, hash
    FROM audit_entry ORDER BY object, object_seq DESC;
ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit_checkpoint ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE audit_block ENABLE ALWAYS TRIGGER append_only;
"""
"""Make the log what it was at a size, with nothing in it that contradicts itself."""

WENT_BACK = (
    r"[\d,]+ entries were sealed, and the database has [\d,]+"
    r"|the first [\d,]+ entries are not those that were sealed"
)
"""The second when the log has grown again before anybody looked."""

LOG = (
    Attack(
        "edit-entry",
        "Edit what an entry says",
        entries(
            'UPDATE audit_entry SET leaf = replace(leaf, \'"actor_id":"\','
            ' \'"actor_id":"mallory\') WHERE seq = 5;'
        ),
        r"entry \d+: its leaf does not have its hash",
    ),
    Attack(
        "rehash-entry",
        "Edit an entry, and give it the hash it should then have",
        entries(
            """
WITH forged AS (SELECT seq, 'mallory' || actor_id AS actor_id,
    replace(leaf, '"actor_id":"', '"actor_id":"mallory') AS leaf
    FROM audit_entry WHERE seq = 9)
UPDATE audit_entry SET leaf = forged.leaf, actor_id = forged.actor_id,
    hash = encode(sha256('\\x00'::bytea || convert_to(forged.leaf, 'UTF8')), 'hex')
FROM forged WHERE audit_entry.seq = forged.seq;"""
        ),
        r"entry \d+: it does not follow (the|its object's) entry before it",
    ),
    Attack(
        "edit-column",
        "Let an entry be found under another person",
        entries("UPDATE audit_entry SET actor_id = 'somebody' WHERE seq = 13;"),
        r"entry \d+: its column actor_id differs from its leaf",
    ),
    Attack(
        "edit-payload",
        "Edit what was signed, beside an entry",
        payloads(
            'UPDATE audit_payload SET body = replace(body, \'"meaning":"approval"\','
            f' \'"meaning":"review"\') WHERE seq = {SIGNED};'
        ),
        r"entry \d+: its payload does not have the hash in its leaf|and entry \d+ says review",
    ),
    Attack(
        "erase-payload",
        "Erase what was signed, and tell nobody",
        payloads("UPDATE audit_payload SET body = NULL, salt = NULL WHERE seq = 17;"),
        r"entry \d+: its payload was erased, and no entry says so",
    ),
    Attack(
        "delete-entry",
        "Delete one entry",
        "BEGIN;\nSET CONSTRAINTS ALL IMMEDIATE;\n"
        "ALTER TABLE audit_payload DISABLE TRIGGER append_only;\n"
        "ALTER TABLE audit_entry DISABLE TRIGGER append_only;\n"
        "CREATE TEMPORARY TABLE cut ON COMMIT DROP AS SELECT 21 AS seq;\n"
        "DELETE FROM audit_payload WHERE seq = (SELECT seq FROM cut);\n"
        "DELETE FROM audit_entry WHERE seq = (SELECT seq FROM cut);\n"
        "ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER append_only;\n"
        "ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER append_only;\nCOMMIT;\n",
        r"entry \d+: entry \d+ is missing",
    ),
    Attack(
        "delete-tail",
        "Delete the last sealed entries, and put the heads right",
        "BEGIN;" + CUT.format(size="max(size) - 3 FROM audit_checkpoint") + "COMMIT;\n",
        WENT_BACK,
        by=By.SINKS,
    ),
    Attack(
        "restore-backup",
        "Restore an old backup",
        "BEGIN;" + CUT.format(size="max(size) / 2 FROM audit_checkpoint") + "COMMIT;\n",
        WENT_BACK,
        by=By.SINKS,
    ),
    Attack(
        "truncate",
        "Empty the log",
        "TRUNCATE audit_entry, audit_payload;\n",
        r"the head stands at entry \d+, and the log ends with entry 0|entry 1 is missing",
    ),
    Attack(
        "insert-entry",
        "Insert a forged entry at the end, head and all",
        """BEGIN;
INSERT INTO audit_entry SELECT seq + 1, at, replace(leaf, '"seq":' || seq, '"seq":' || seq + 1),
    repeat('b', 64), hash, object, object_seq + 1, subject, actor_kind, actor_id, action, model,
    model_version, environment, request, payload_sha256, xid
    FROM audit_entry ORDER BY seq DESC LIMIT 1;
INSERT INTO audit_payload SELECT seq + 1, salt, body FROM audit_payload ORDER BY seq DESC LIMIT 1;
UPDATE audit_head SET (seq, hash) =
    (SELECT seq, hash FROM audit_entry ORDER BY seq DESC LIMIT 1);
UPDATE audit_object_head SET seq = object_seq, hash = entry.hash
    FROM (SELECT * FROM audit_entry ORDER BY seq DESC LIMIT 1) AS entry
    WHERE entry.object = audit_object_head.object;
COMMIT;
""",
        r"entry \d+: its leaf does not have its hash",
    ),
    Attack(
        "reorder",
        "Let two entries change places",
        "BEGIN;\nALTER TABLE audit_entry DISABLE TRIGGER append_only;\n"
        "UPDATE audit_entry SET leaf = other.leaf FROM audit_entry AS other\n"
        "    WHERE audit_entry.seq IN (30, 31) AND other.seq = 61 - audit_entry.seq;\n"
        "ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER append_only;\nCOMMIT;\n",
        r"entry 3[01]: its leaf does not have its hash",
    ),
    Attack(
        "raise-head",
        "Move the end of the log, so that the next entry gets another number",
        "UPDATE audit_head SET seq = seq + 1000;\n",
        r"the head stands at entry \d+, and the log ends with entry \d+|entry \d+ is missing",
    ),
    Attack(
        "object-head",
        "Move the end of one object's chain",
        "UPDATE audit_object_head SET seq = seq + 1 WHERE object ="
        " (SELECT min(object) FROM audit_object_head WHERE object LIKE 'model:%');\n",
        r"the chain of model:[\w-]+ does not end at its head",
    ),
    Attack(
        "forge-checkpoint",
        "Put another root in the newest checkpoint",
        quietly(
            "audit_checkpoint",
            "UPDATE audit_checkpoint SET root = repeat('a', 64)\n"
            "    WHERE size = (SELECT max(size) FROM audit_checkpoint);",
            "append_only",
        ),
        r"the checkpoint of \d+ entries in the database: it is not what was signed",
    ),
    Attack(
        "forge-note",
        "Put another signature in the newest checkpoint",
        quietly(
            "audit_checkpoint",
            "UPDATE audit_checkpoint SET note = replace(note, 'time 20', 'time 19')\n"
            "    WHERE size = (SELECT max(size) FROM audit_checkpoint);",
            "append_only",
        ),
        r"the checkpoint of \d+ entries in the database: the signature of .* is false",
    ),
    Attack(
        "delete-checkpoints",
        "Delete the newest checkpoint, and let the sealer put it back",
        quietly(
            "audit_checkpoint",
            "DELETE FROM audit_checkpoint\n"
            "    WHERE size = (SELECT max(size) FROM audit_checkpoint);",
            "append_only",
        ),
        r"the checkpoint of \d+ entries was taken out of the database",
        by=By.SEALER,
    ),
    Attack(
        "blind-the-watch",
        "Edit an entry, and empty what the watch remembers",
        entries("UPDATE audit_entry SET model = 'mallory' WHERE seq = 25;")
        + "DELETE FROM audit_watch;\n",
        r"entry \d+: its column model differs from its leaf",
    ),
)
