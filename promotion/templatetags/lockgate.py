"""How pages write numbers, sizes and times, and the parts of them that stay live."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from math import isfinite
from numbers import Integral, Real

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

MINUTE, HOUR, DAY = 60, 3_600, 86_400
KILO = 1_000
SHORT = 12
"""Characters of a digest that are shown."""
LONG_HOURS = 10
"""From here on minutes no longer matter."""
RELATIVE = re.compile(r'<span class="ago">[^<]*</span>')
"""What changes by itself: pages keep it up to date without asking."""


@register.simple_tag(takes_context=True)
def live(context: Context, part: str, url: str, seconds: int = 2) -> SafeString:
    """Render a part that asks ``url`` for itself again, and is swapped only when it changed."""
    engine = context.template.engine  # type: ignore[union-attr]
    html = engine.get_template(part).render(context)
    return format_html(
        '<div data-live data-seen="{}" hx-get="{}" hx-trigger="every {}s" hx-swap="innerHTML">'
        "{}</div>",
        fingerprint(html),
        url,
        seconds,
        mark_safe(html),  # noqa: S308 - rendered by a template, which has escaped it
    )


def fingerprint(html: str) -> str:
    """The hash of a part, without what changes by itself."""
    return hashlib.sha256(RELATIVE.sub("", html).encode()).hexdigest()[:16]


@register.filter
def short(digest: object) -> str:
    """The first characters of a digest."""
    return str(digest)[:SHORT]


@register.filter
def number(value: object, digits: int = 4) -> str:
    """A number with thousands apart, to so many significant digits; other values as they are."""
    if value is None:
        return "not supplied"
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    if isinstance(value, Integral):
        return f"{int(value):,}"
    figure = float(value)
    if not isfinite(figure):
        return str(figure)
    if abs(figure) >= KILO:
        return f"{figure:,.0f}"
    return f"{figure:.{digits}g}"


@register.filter
def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign, always."""
    if not value:
        return "0"
    sign = "+" if value > 0 else "\N{MINUS SIGN}"
    return sign + number(abs(value), digits)


@register.filter
def fixed(value: object, places: int = 4) -> str:
    """A number with so many decimal places."""
    return f"{float(value):.{places}f}" if isinstance(value, Real) else "none"


@register.filter
def size(value: object) -> str:
    """Bytes, in the largest unit that fits."""
    if not isinstance(value, Real):
        return "not supplied"
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(amount) < KILO or unit == "GB":
            return f"{amount:,.0f} {unit}" if unit == "B" else f"{amount:,.1f} {unit}"
        amount /= KILO
    return ""


@register.filter
def grown(before: int, after: int) -> str:
    """By how many bytes something grew or shrank."""
    sign = "+" if after > before else "\N{MINUS SIGN}"
    return sign + size(abs(after - before))


@register.filter
def ago(at: datetime) -> str:
    """How long ago, or in how long."""
    seconds = (timezone.now() - at).total_seconds()
    if seconds < -1:
        return f"in {span(timedelta(seconds=-seconds))}"
    return "now" if seconds < 1 else f"{span(timedelta(seconds=seconds))} ago"


@register.filter
def span(duration: timedelta) -> str:
    """A length of time in words."""
    seconds = int(duration.total_seconds())
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    hours, minutes = seconds // HOUR, seconds % HOUR // MINUTE
    if seconds < 2 * DAY:
        return f"{hours} h {minutes} min" if minutes and hours < LONG_HOURS else f"{hours} h"
    return f"{seconds // DAY} days"


@register.filter
def utc(at: datetime) -> str:
    """The exact moment, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


@register.filter
def dated(at: datetime | None) -> str:
    """One end of the time that data is about: a day where it is whole, else the moment."""
    if at is None:
        return "not supplied"
    at = at.astimezone(UTC)
    whole = at.time() in {time.min, time.max}
    return f"{at:%Y-%m-%d}" if whole else utc(at)


@register.filter
def clock(at: datetime) -> str:
    """The time of day, with the date unless it is today's."""
    return (
        f"{at:%H:%M:%S}" if at.date() == timezone.now().date() else f"{at.day} {at:%b %Y, %H:%M:%S}"
    )


@register.filter
def item(mapping: object, key: str) -> object:
    """What a mapping holds under a key that is not known before."""
    return mapping.get(key) if isinstance(mapping, Mapping) else None


@register.filter
def words(name: str) -> str:
    """A name from code, as words."""
    return name.replace("_", " ")


@register.filter
def fact(value: object) -> str:
    """What a gate looked at, without a programming language's brackets."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {fact(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(map(fact, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, 6)


@register.filter
def family(action: str) -> str:
    """What an action of the audit log is about: what stands before its dot."""
    return action.partition(".")[0]
