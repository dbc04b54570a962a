"""On what was decided: states, signatures, rules, roles, versions, what agents are told."""

from lockgate.demo.attacks.attack import Attack, quietly

CHAMPION = "(SELECT id FROM promotion_deployment WHERE role = 'champion' ORDER BY id LIMIT 1)"

DECISIONS = (
    Attack(
        "change-champion",
        "Take a champion away by SQL",
        quietly(
            "promotion_deployment",
            "UPDATE promotion_deployment SET state = 'retired', role = ''\n"
            f"    WHERE id = {CHAMPION};",
            "audited",
            "arrows",
        ).replace("ENABLE ALWAYS TRIGGER arrows", "ENABLE TRIGGER arrows"),
        r"version \d+ in [\w-]+: its state is retired, and entry \d+ says production",
    ),
    Attack(
        "replica-mode",
        "Delete a role in replica mode, where ordinary triggers sleep",
        "SET session_replication_role = replica;\n"
        "DELETE FROM governance_rolebinding WHERE role = 'submitter';\n"
        "SET session_replication_role = origin;\n",
        r"role:[0-9a-f-]+ is gone, and entry \d+ tells of it",
    ),
    Attack(
        "change-policy",
        "Let a policy ask for no approval",
        quietly(
            "promotion_policy",
            "UPDATE promotion_policy SET document = jsonb_set(document, '{approvals}', '0')\n"
            "    WHERE document -> 'approvals' <> '0';",
            "append_only",
        ),
        r"policy \d+ of [\w-]+: its document is not the one that entry \d+ tells of: approvals",
    ),
    Attack(
        "forge-approval",
        "Sign in somebody else's name",
        quietly(
            "promotion_approval",
            "INSERT INTO promotion_approval (id, person, name, role, decision, meaning, comment,\n"
            "    content_hash, method, at, request_id, user_id)\n"
            "SELECT gen_random_uuid(), 'mallory', 'Mallory', role, decision, meaning, comment,\n"
            "    content_hash, method, now(), request_id, user_id FROM promotion_approval LIMIT 1;",
            "audited",
        ),
        r"the signature of Mallory under request \w+: no entry of the log tells of it",
    ),
    Attack(
        "delete-approval",
        "Delete a signature",
        quietly(
            "promotion_approval",
            "DELETE FROM promotion_approval WHERE id =\n"
            "    (SELECT id FROM promotion_approval LIMIT 1);",
            "append_only",
        ),
        r"approval:[0-9a-f-]+ is gone, and entry \d+ tells of it",
    ),
    Attack(
        "forge-role",
        "Make oneself an administrator",
        quietly(
            "governance_rolebinding",
            'INSERT INTO governance_rolebinding (id, role, "group", created_at, user_id)\n'
            "    SELECT gen_random_uuid(), 'admin', '', now(), id FROM governance_user LIMIT 1;",
            "audited",
        ),
        r"the role admin of [\w.-]+: no entry of the log tells of it",
    ),
    Attack(
        "superuser",
        "Make an account a superuser",
        quietly(
            "governance_user",
            "UPDATE governance_user SET is_superuser = true WHERE username =\n"
            "    (SELECT min(username) FROM governance_user WHERE NOT is_superuser);",
            "audited",
        ),
        r"the account [\w.-]+: its is_superuser is True, and entry \d+ says False",
    ),
    Attack(
        "change-manifest",
        "Change what a version says of itself",
        quietly(
            "registry_modelversion",
            'UPDATE registry_modelversion SET manifest = manifest || \'{"kind": "service"}\'\n'
            "    WHERE number = 1;",
            "append_only",
            "audited",
        ),
        r"the manifest of [\w-]+ version 1 in the database is not the one that was registered",
    ),
    Attack(
        "swap-file",
        "Let a version have another version's file",
        quietly(
            "registry_versionfile",
            "UPDATE registry_versionfile SET blob_id = (SELECT max(sha256) FROM registry_blob)\n"
            "    WHERE role = 'model' AND version_id =\n"
            "    (SELECT id FROM registry_modelversion WHERE number = 1 ORDER BY id LIMIT 1);",
            "append_only",
        ),
        r"version 1 of [\w-]+: its files is not the one that entry \d+ tells of",
    ),
    Attack(
        "change-digest",
        "Let a version be other bytes",
        quietly(
            "registry_modelversion",
            "UPDATE registry_modelversion SET digest = repeat('d', 64) WHERE number = 1;",
            "append_only",
            "audited",
        ),
        r"version 1 of [\w-]+: its digest is dddd[\w.]+, and entry \d+ says",
    ),
    Attack(
        "change-state",
        "Change what agents are told",
        quietly(
            "promotion_desiredstate",
            "UPDATE promotion_desiredstate SET envelope = envelope || 'x'::bytea WHERE id =\n"
            "    (SELECT max(id) FROM promotion_desiredstate);",
            "append_only",
        ),
        r"the state of [\w/-]+, generation \d+: its bytes are not those that were signed",
    ),
    Attack(
        "raise-generation",
        "Raise a target's generation, so that agents wait for what never comes",
        quietly(
            "promotion_target",
            "UPDATE promotion_target SET generation = generation + 1000 WHERE tier = 'live';",
            "audited",
        ),
        r"the target [\w/-]+: its generation is \d+, and entry \d+ says \d+",
    ),
)
