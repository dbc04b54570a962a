"""How a lineage report writes times, gaps, documents and lists of numbers."""

import json
from collections.abc import Mapping
from itertools import pairwise

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from promotion.lineage.sources import ERASED, NOT_SUPPLIED, UNKNOWN
from promotion.selectors.timeline import WORDS

register = template.Library()
OPEN = frozenset({NOT_SUPPLIED, UNKNOWN, ERASED})


@register.filter
def at(text: object) -> SafeString | str:
    """Write a time of the log, to the second and in UTC; the exact one is in the markup."""
    if not text:
        return ""
    day, _, time = str(text).partition("T")
    if not time:
        return gap(text)
    return format_html('<time datetime="{}">{} {}</time>', text, day, time[:8])


@register.filter
def gap(value: object) -> SafeString | str:
    """Write a value in words; what is not known stands out."""
    if value is None or value == "":
        value = NOT_SUPPLIED
    if isinstance(value, str) and value in OPEN:
        return format_html('<span class="gap">{}</span>', value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return _members(value)
    if isinstance(value, list):
        return as_json(value)
    return str(value)


@register.filter
def seqs(value: object) -> str:
    """Write numbers of entries, with runs drawn together."""
    numbers = sorted(n for n in value if isinstance(n, int)) if isinstance(value, list) else []
    starts = [n for before, n in pairwise([-1, *numbers]) if n - before != 1]
    ends = [n for n, after in pairwise([*numbers, -1]) if after - n != 1]
    runs = zip(starts, ends, strict=True)
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in runs) or "none"


@register.filter
def spaced(names: list[str]) -> str:
    """Write the names of sections as words."""
    return ", ".join(name.replace("_", " ") for name in names) or "none"


@register.filter
def words(action: object) -> str:
    """Say what an entry's action is in the words of the pages."""
    return WORDS.get(str(action), (str(action), ""))[0]


@register.filter
def as_json(value: object) -> SafeString:
    """Write a document, one member a line."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html("<pre>{}</pre>", text)


def _members(value: Mapping[str, object]) -> SafeString:
    """Write a flat document as a list, and any other as it is."""
    if any(isinstance(inner, list | Mapping) for inner in value.values()):
        return as_json(value)
    rows = format_html_join("", "<dt>{}</dt><dd>{}</dd>", ((k, gap(v)) for k, v in value.items()))
    return format_html("<dl>{}</dl>", rows)
