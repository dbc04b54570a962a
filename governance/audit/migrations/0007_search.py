"""What the log is searched by: who, what, and the words of what was written."""

from django.db import migrations, models

WORDS = """
CREATE FUNCTION audit_words(p_body text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- A vector holds a megabyte at most: of a longer text the beginning is searched.
    SELECT to_tsvector('simple'::regconfig, left(p_body, 100000))
$$;
CREATE INDEX audit_by_words ON audit_payload USING gin (audit_words(body));
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_erasing")]
    operations = [
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(fields=["action", "seq"], name="audit_by_action"),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(fields=["actor_id", "seq"], name="audit_by_actor"),
        ),
        migrations.RunSQL(WORDS, "DROP INDEX audit_by_words; DROP FUNCTION audit_words(text);"),
    ]
