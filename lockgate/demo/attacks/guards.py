"""On what guards the log and the decisions: triggers, functions, rules, rights."""

from lockgate.demo.attacks.attack import Attack

GUARDS = (
    Attack(
        "disable-trigger",
        "Switch off the trigger that asks for an entry",
        "ALTER TABLE promotion_deployment DISABLE TRIGGER audited;\n",
        r"the trigger audited of promotion_deployment is not switched on for all",
        undo="ALTER TABLE promotion_deployment ENABLE ALWAYS TRIGGER audited;\n",
    ),
    Attack(
        "replace-function",
        "Let the function of a trigger do nothing",
        "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN\n    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;\n    RETURN NEW;\nEND $$;\n",
        r"the function append_only was replaced",
        undo="CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN\n"
        "    RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME\n"
        "        USING ERRCODE = 'restrict_violation';\n"
        "END $$;\n",
    ),
    Attack(
        "empty-trigger",
        "Make a trigger anew, with a condition that never holds",
        "BEGIN;\nDROP TRIGGER append_only ON promotion_policy;\n"
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON promotion_policy\n"
        "    FOR EACH ROW WHEN (false) EXECUTE FUNCTION append_only();\n"
        "ALTER TABLE promotion_policy ENABLE ALWAYS TRIGGER append_only;\nCOMMIT;\n",
        r"the trigger append_only of promotion_policy was made anew, and is another",
        undo="BEGIN;\nDROP TRIGGER append_only ON promotion_policy;\n"
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON promotion_policy\n"
        "    FOR EACH ROW EXECUTE FUNCTION append_only();\n"
        "ALTER TABLE promotion_policy ENABLE ALWAYS TRIGGER append_only;\nCOMMIT;\n",
    ),
    Attack(
        "own-trigger",
        "Add a trigger that turns every rejection into an approval",
        "CREATE FUNCTION be_kind() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN\n    NEW.decision := 'approve';\n    RETURN NEW;\nEND $$;\n"
        "CREATE TRIGGER kindness BEFORE INSERT ON promotion_approval\n"
        "    FOR EACH ROW EXECUTE FUNCTION be_kind();\n",
        r"the trigger kindness of promotion_approval is none of ours",
        undo="DROP TRIGGER kindness ON promotion_approval;\nDROP FUNCTION be_kind();\n",
    ),
    Attack(
        "rule",
        "Let new incidents vanish by a rule",
        "CREATE RULE silence AS ON INSERT TO promotion_incident DO INSTEAD NOTHING;\n",
        r"the rule silence of promotion_incident is none of ours",
        undo="DROP RULE silence ON promotion_incident;\n",
    ),
    Attack(
        "hide-rows",
        "Hide rows from the application",
        "ALTER TABLE promotion_incident ENABLE ROW LEVEL SECURITY;\n",
        r"row security hides rows of promotion_incident",
        undo="ALTER TABLE promotion_incident DISABLE ROW LEVEL SECURITY;\n",
    ),
    Attack(
        "grant",
        "Let the application's role change the log",
        "GRANT UPDATE, DELETE ON audit_entry TO lockgate_app;\n",
        r"the application's role may UPDATE audit_entry",
        undo="REVOKE UPDATE, DELETE ON audit_entry FROM lockgate_app;\n",
    ),
)
