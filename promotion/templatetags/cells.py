"""Cells of the environment matrix, of which a large bank shows thousands at once.

Most of them say the same: a champion that all its agents confirm, and nothing else. Such a
cell is written straight; ``components/cell.html`` says what all others look like, and what
these do. A test holds the two against each other.
"""

from functools import cache
from urllib.parse import quote

from django import template
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from promotion.selectors.matrix import Cell
from promotion.templatetags.lockgate import utc
from registry.models import RegisteredModel

register = template.Library()
_PLACE, _NUMBER = "model-name", 987_654_321


@register.simple_tag
def matrix_cell(cell: Cell, model: RegisteredModel) -> SafeString:
    """Render one model in one environment."""
    if is_quiet(cell):
        return _quiet(cell, model)
    return render_to_string("components/cell.html", {"cell": cell, "model": model})


def is_quiet(cell: Cell) -> bool:
    """Tell whether a cell holds a champion that all agents confirm, and nothing else."""
    if cell.champion is None or cell.others or cell.darks or cell.flights or cell.waiting:
        return False
    found = cell.champion.confirmation
    return found.is_complete() and not found.disagreeing and not found.unknown


def _quiet(cell: Cell, model: RegisteredModel) -> SafeString:
    champion = cell.champion
    if champion is None:
        return mark_safe("")
    found, number = champion.confirmation, champion.deployment.version.number
    before, between, after = _address()
    said = "; ".join(f"{one.agent} {one.why}" for one in found.findings)
    plural = "" if found.counted == 1 else "s"
    return mark_safe(  # noqa: S308 - all that comes from elsewhere is escaped
        f'<div class="cell"><div class="cell-line champion">'
        f'<a href="{before}{quote(model.name)}{between}{number}{after}" class="badge"'
        f' title="decided: champion since {utc(champion.since)}">{_shape()}'
        f'<span class="visually-hidden">decided champion</span>v{number}</a></div>'
        f'<div class="cell-line"><span class="badge is-confirmed small">live (confirmed)</span>'
        f'<span class="note" title="{conditional_escape(said)}">by {len(found.confirmed)} of'
        f" {found.counted} agent{plural}</span></div></div>"
    )


@cache
def _shape() -> str:
    return render_to_string("components/shape.html", {"name": "champion"})


@cache
def _address() -> tuple[str, str, str]:
    """The address of a version, around the model's name and the number."""
    before, _, rest = reverse("version", args=[_PLACE, _NUMBER]).partition(_PLACE)
    between, _, after = rest.partition(str(_NUMBER))
    return before, between, after
