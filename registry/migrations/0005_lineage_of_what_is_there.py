"""Keep the data sets that manifests of versions name that are there already."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import migrations

CHUNK = 500
DIGEST = re.compile(r"[0-9a-f]{64}\Z")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def keep(apps, schema_editor) -> None:
    """Read every manifest once; what cannot be read is left out, as nothing could be asked of it."""
    version, use = (apps.get_model("registry", name) for name in ("ModelVersion", "DatasetUse"))
    uses = use.objects.using(schema_editor.connection.alias)
    rows = version.objects.using(schema_editor.connection.alias).filter(dataset_uses__isnull=True)
    batch = []
    for pk, datasets in rows.values_list("pk", "manifest__datasets").iterator(chunk_size=CHUNK):
        batch += [use(version_id=pk, **fields) for fields in _read(datasets)]
        if len(batch) >= CHUNK:
            uses.bulk_create(batch)
            batch = []
    uses.bulk_create(batch)


def _read(datasets: object) -> Iterator[dict[str, object]]:
    seen = set()
    for row in datasets if isinstance(datasets, list) else []:
        name, digest = (row.get("id"), row.get("digest")) if isinstance(row, dict) else ("", "")
        if not isinstance(name, str) or not name or name in seen or len(name) > 200:
            continue
        if not isinstance(digest, str) or not DIGEST.match(digest):
            continue
        seen.add(name)
        begins, ends = _moment(row.get("from"), end=False), _moment(row.get("to"), end=True)
        if begins and ends and begins > ends:
            begins = ends = None
        source = row.get("source")
        yield {
            "name": name,
            "digest": digest,
            "begins": begins,
            "ends": ends,
            "source": source if isinstance(source, str) else "",
        }


def _moment(text: object, *, end: bool) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    whole = end and DAY.match(text)
    return found + (timedelta(days=1) - timedelta(microseconds=1)) if whole else found


def forget(apps, schema_editor) -> None:
    """The rows go with their table."""


class Migration(migrations.Migration):
    dependencies = [("registry", "0004_lineage")]
    operations = [migrations.RunPython(keep, forget)]
