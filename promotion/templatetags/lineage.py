"""How a lineage report writes times, gaps and documents."""

import json
from collections.abc import Mapping

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from promotion.lineage.sources import NOT_SUPPLIED

register = template.Library()


@register.filter
def at(text: object) -> SafeString | str:
    """Write a time of the log, to the second and in UTC; the exact one is in the markup."""
    if not text:
        return ""
    day, _, time = str(text).partition("T")
    return format_html('<time datetime="{}">{} {}</time>', text, day, time[:8])


@register.filter
def gap(value: object) -> SafeString | str:
    """Write a value in words; what is not known stands out."""
    if value is None or value == NOT_SUPPLIED:
        return format_html('<span class="gap">{}</span>', NOT_SUPPLIED)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value))
    if isinstance(value, list | Mapping):
        return as_json(value)
    return str(value)


@register.filter
def as_json(value: object) -> SafeString:
    """Write a document, one member a line."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html("<pre>{}</pre>", text)
