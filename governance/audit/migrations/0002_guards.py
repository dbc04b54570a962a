"""The one function that appends to the log, and what keeps the log from being changed."""

from django.db import migrations

APPEND = """
CREATE FUNCTION audit_append(
    p_action text, p_actor_kind text, p_actor_id text, p_object text, p_subject text,
    p_model text, p_model_version integer, p_environment text, p_request uuid,
    p_payload text, p_salt bytea
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_head public.audit_head%ROWTYPE;
    v_object_seq bigint;
    v_object_hash text;
    v_at timestamptz;
    v_at_text text;
    v_payload_sha256 text;
    v_leaf text;
    v_hash text;
    c_genesis CONSTANT text := repeat('0', 64);
BEGIN
    -- The head first: it puts all writers in one line, so object heads cannot deadlock.
    INSERT INTO public.audit_head (id, seq, hash, at)
        VALUES (1, 0, c_genesis, '-infinity') ON CONFLICT (id) DO NOTHING;
    SELECT * INTO STRICT v_head FROM public.audit_head WHERE id = 1 FOR UPDATE;
    SELECT seq, hash INTO v_object_seq, v_object_hash
        FROM public.audit_object_head WHERE object = p_object FOR UPDATE;
    v_object_seq := coalesce(v_object_seq, 0) + 1;
    v_object_hash := coalesce(v_object_hash, c_genesis);
    v_at := greatest(clock_timestamp(), v_head.at);
    v_at_text := to_char(v_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    v_payload_sha256 := encode(sha256(p_salt || convert_to(p_payload, 'UTF8')), 'hex');
    -- RFC 8785: keys sorted, no white space; to_json escapes text the same way.
    v_leaf := '{"action":' || to_json(p_action)
        || ',"actor_id":' || to_json(p_actor_id)
        || ',"actor_kind":' || to_json(p_actor_kind)
        || ',"at":' || to_json(v_at_text)
        || ',"environment":' || coalesce(to_json(p_environment)::text, 'null')
        || ',"model":' || coalesce(to_json(p_model)::text, 'null')
        || ',"model_version":' || coalesce(p_model_version::text, 'null')
        || ',"object":' || to_json(p_object)
        || ',"object_seq":' || v_object_seq
        || ',"payload_sha256":' || to_json(v_payload_sha256)
        || ',"prev_hash":' || to_json(v_head.hash::text)
        || ',"prev_object_hash":' || to_json(v_object_hash)
        || ',"request":' || coalesce(to_json(p_request::text)::text, 'null')
        || ',"seq":' || (v_head.seq + 1)
        || ',"subject":' || to_json(p_subject)
        || ',"v":1}';
    v_hash := encode(sha256('\\x00'::bytea || convert_to(v_leaf, 'UTF8')), 'hex');
    INSERT INTO public.audit_entry (
        seq, at, leaf, hash, prev_hash, object, object_seq, subject, actor_kind, actor_id,
        action, model, model_version, environment, request, payload_sha256, xid
    ) VALUES (
        v_head.seq + 1, v_at, v_leaf, v_hash, v_head.hash, p_object, v_object_seq, p_subject,
        p_actor_kind, p_actor_id, p_action, p_model, p_model_version, p_environment, p_request,
        v_payload_sha256, pg_current_xact_id()::text::bigint
    );
    INSERT INTO public.audit_payload (seq, salt, body) VALUES (v_head.seq + 1, p_salt, p_payload);
    INSERT INTO public.audit_object_head (object, seq, hash)
        VALUES (p_object, v_object_seq, v_hash)
        ON CONFLICT (object) DO UPDATE SET seq = excluded.seq, hash = excluded.hash;
    UPDATE public.audit_head SET seq = v_head.seq + 1, hash = v_hash, at = v_at WHERE id = 1;
    RETURN v_head.seq + 1;
END $$;
"""

APPEND_ONLY = """
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION append_only();
ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_payload
    FOR EACH ROW EXECUTE FUNCTION append_only();
ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER append_only;
"""

REQUIRED = """
CREATE FUNCTION audit_required() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_subject text := TG_ARGV[0] || ':' || (to_jsonb(NEW) ->> 'id');
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM audit_entry
        WHERE xid = pg_current_xact_id()::text::bigint AND subject = v_subject
    ) THEN
        RAISE EXCEPTION 'a change of % has no audit entry in its transaction', v_subject
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION never_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never removed', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [
        migrations.RunSQL(
            APPEND,
            "DROP FUNCTION audit_append(text, text, text, text, text, text, integer, text, uuid,"
            " text, bytea);",
        ),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER append_only ON audit_entry; DROP TRIGGER append_only ON audit_payload;"
            " DROP FUNCTION append_only();",
        ),
        migrations.RunSQL(
            REQUIRED, "DROP FUNCTION audit_required(); DROP FUNCTION never_deleted();"
        ),
    ]
