"""Rows of the environment matrix, of which a large bank shows thousands of cells at once.

They are put together here and not in a template: one for each cell took ten times as long.
All that comes from elsewhere (names, words of agents) passes ``escape``.
"""

from functools import cache
from typing import TypeAlias
from urllib.parse import quote
from uuid import UUID

from django import template
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from promotion.confirmation import Confirmation, Finding, Standing
from promotion.selectors.decided import Decided
from promotion.selectors.matrix import Cell, Flight, Row
from promotion.selectors.observed import Champion
from promotion.templatetags.lockgate import number, utc

register = template.Library()
Known: TypeAlias = dict[tuple[int, bool], str]
_NAME, _NUMBER, _ID = "model-name", 987_654_321, UUID(int=7)


@register.simple_tag
def matrix_rows(rows: list[Row]) -> SafeString:
    """Render each model in each environment."""
    known: Known = {}
    return mark_safe("".join([_row(row, known) for row in rows]))  # noqa: S308 - see the module


def _row(row: Row, known: Known) -> str:
    name, group = row.model.name, row.model.group
    before, after = _around("model", _NAME)
    address = _versions(name)
    cells = [
        f'<td data-place="{cell.environment.slug}"><div class="cell">'
        f"{_cell(cell, address, known)}</div></td>"
        for cell in row.cells
    ]
    below = f'<div class="small muted">{escape(group)}</div>' if group else ""
    return (
        f'<tr><th scope="row"><a class="row-link" href="{before}{quote(name)}{after}">'
        f"{escape(name)}</a>{below}</th>{''.join(cells)}</tr>"
    )


def _cell(cell: Cell, address: tuple[str, str], known: Known) -> str:
    if cell.champion:
        said = _champion(cell.champion.decided, address) + _said(cell, cell.champion, known)
        if not (cell.others or cell.darks or cell.flights or cell.waiting):
            return said
    else:
        said = f'<span class="cell-none">{_without_champion(cell)}</span>'
    return said + "".join(
        (
            *(_other(row.role, row.number, address) for row in cell.others),
            *(_dark(one.number, one.pairs, address) for one in cell.darks),
            *(_flight(one) for one in cell.flights),
            *(_waiting(request.id, request.number) for request in cell.waiting),
        )
    )


def _without_champion(cell: Cell) -> str:
    if any(row.role == "spare" for row in cell.others):
        return "the spare answers"
    return "not here" if cell.is_empty() else "nobody answers"


def _champion(row: Decided, address: tuple[str, str]) -> str:
    before, after = address
    return (
        f'<div class="cell-line champion"><a href="{before}{row.number}{after}" class="badge"'
        f' title="decided: champion since {utc(row.since)}">{_shape("champion")}'
        f'<span class="visually-hidden">decided champion</span>v{row.number}</a></div>'
    )


def _said(cell: Cell, champion: Champion, known: Known) -> str:
    """What agents say of it: the same words for the same confirmation."""
    found = champion.confirmation
    key = id(found), not found.is_live() and cell.is_switching
    if key not in known:
        known[key] = _confirmation(found, is_switching=key[1])
    return known[key]


def _confirmation(found: Confirmation, *, is_switching: bool) -> str:
    if found.is_live():
        word = "confirmed" if found.unknown else "live (confirmed)"
        state = "partly" if found.unknown else "confirmed"
        badge = f'<span class="badge is-{state} small">{word}</span>'
    elif is_switching:
        badge = _badge("flight", "switching")
    else:
        badge = _badge(found.verdict, found.verdict)
    said = escape("; ".join([f"{one.agent} {one.why}" for one in found.findings]))
    plural = "" if found.counted == 1 else "s"
    doubts = [
        _doubt(one, is_switching=is_switching) for one in (*found.disagreeing, *found.unknown)
    ]
    return (
        f'<div class="cell-line">{badge}<span class="note" title="{said}">by'
        f" {len(found.confirmed)} of {found.counted} agent{plural}</span></div>{''.join(doubts)}"
    )


def _doubt(one: Finding, *, is_switching: bool) -> str:
    state, why = one.standing.value, one.why
    if is_switching and one.standing is Standing.DISAGREEING:
        state, why = "flight", f"not yet: {why}"
    return f'<div class="cell-line">{_badge(state, one.agent)}{_note(why)}</div>'


def _other(role: str, version: int, address: tuple[str, str]) -> str:
    before, after = address
    if role == "spare":
        link = f'<a href="{before}{version}{after}">{_shape(role)} spare v{version}</a>'
        return f'<div class="cell-line">{link}</div>'
    link = f'<a href="{before}{version}{after}">{_shape(role)} v{version}</a>'
    return f'<div class="cell-line">{link}{_note(role)}</div>'


def _dark(version: int, pairs: int, address: tuple[str, str]) -> str:
    before, after = address
    said = f"{number(pairs)} pair{'' if pairs == 1 else 's'}"
    link = (
        f'<a href="{before}{version}{after}" class="badge is-dark">'
        f"{_shape('dark')}dark v{version}</a>"
    )
    return f'<div class="cell-line">{link}{_note(said)}</div>'


def _flight(one: Flight) -> str:
    said = f"v{one.request.number} {one.step}"
    through = _note(f"{one.done} of {one.asked}") if one.asked else ""
    return f'<div class="cell-line">{_request(one.request.id, "flight", said)}{through}</div>'


def _waiting(pk: UUID, version: int) -> str:
    said = f"v{version} waits for approval"
    return f'<div class="cell-line">{_request(pk, "waiting", said)}</div>'


def _request(pk: UUID, state: str, said: str) -> str:
    before, after = _around("promotion", _ID)
    link = f'<a href="{before}{pk}{after}" class="badge is-{state}">'
    return f"{link}{_shape(state)}{escape(said)}</a>"


def _badge(state: str, word: str) -> str:
    return f'<span class="badge is-{state}">{_shape(state)}{escape(word)}</span>'


def _note(text: str) -> str:
    return f'<span class="note">{escape(text)}</span>'


@cache
def _shape(name: str) -> str:
    return render_to_string("components/shape.html", {"name": name})


def _versions(model: str) -> tuple[str, str]:
    """The address of a model's versions, before and after the number."""
    before, rest = _around("version", _NAME, _NUMBER)
    between, _, after = rest.partition(str(_NUMBER))
    return f"{before}{quote(model)}{between}", after


@cache
def _around(route: str, *arguments: object) -> tuple[str, str]:
    """The address of a page, before and after its first argument."""
    before, _, after = reverse(route, args=arguments).partition(str(arguments[0]))
    return before, after
