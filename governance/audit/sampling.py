"""Draws a sample of changes that anybody can draw again, and nobody could have chosen.

Each change's number is hashed together with the seed, and those with the smallest hashes
are drawn: SHA-256 of ``SEED:NUMBER``, compared as bytes. Every set of n changes is equally
likely, the same seed and the same size of the log give the same sample, and a larger sample
holds the smaller one. It takes a pocket calculator with SHA-256 to check, not this program.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from governance.audit.population import SYSTEM
from governance.periods import Period

METHOD = (
    "The number of each change in the population is hashed with the seed: SHA-256 of the text"
    " SEED:NUMBER. The changes with the smallest hashes are drawn, compared as bytes, the"
    " smallest first."
)
MOST = 500
"""Changes of one sample."""
EVERYBODY, PEOPLE, MACHINES = "everybody", "people", "system"
WHO = (EVERYBODY, PEOPLE, MACHINES)

_WHERE = """
WHERE at >= %(since)s AND at < %(until)s AND seq <= %(size)s
  AND (%(kind)s = '' OR action = %(kind)s OR split_part(action, '.', 1) = %(kind)s)
  AND (%(environment)s = '' OR environment = %(environment)s)
  AND (%(model)s = '' OR model = %(model)s)
  AND (%(who)s = 'everybody' OR (actor_kind = ANY(%(system)s)) = (%(who)s = 'system'))
"""
_COUNT = f"SELECT count(*), min(seq), max(seq) FROM audit_entry {_WHERE}"  # noqa: S608 - our own
_DRAW = f"""
SELECT seq FROM audit_entry {_WHERE}
ORDER BY sha256(convert_to(%(seed)s || ':' || seq, 'UTF8')), seq LIMIT %(count)s
"""  # noqa: S608 - our own


@dataclass(frozen=True, slots=True)
class Population:
    """What is drawn from: the changes of a period, of one kind and in one place if so asked."""

    period: Period
    size: int
    """Of the log: later entries are not in it."""
    kind: str = ""
    """An action such as ``request.opened``, or all of one sort, such as ``request``."""
    environment: str = ""
    model: str = ""
    who: str = EVERYBODY

    def asked(self) -> dict[str, Any]:
        """Return what the statements need."""
        return {
            "since": self.period.since,
            "until": self.period.until,
            "size": self.size,
            "kind": self.kind,
            "environment": self.environment,
            "model": self.model,
            "who": self.who,
            "system": sorted(SYSTEM),
        }


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample: entries by number, in the order in which they were drawn."""

    population: Population
    seed: str
    wanted: int
    count: int
    """Of the population."""
    first: int | None
    last: int | None
    entries: tuple[int, ...]


def fresh_seed() -> str:
    """Return a seed that nobody chose."""
    return secrets.token_hex(8)


def draw(population: Population, *, seed: str, wanted: int) -> Drawn:
    """Draw so many changes, or all there are if there are fewer. Two queries."""
    asked = population.asked()
    ((count, first, last),) = _rows(_COUNT, asked)
    drawn = _rows(_DRAW, {**asked, "seed": seed, "count": min(wanted, MOST)})
    return Drawn(population, seed, wanted, count, first, last, tuple(seq for (seq,) in drawn))


def _rows(statement: str, asked: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return list(cursor.fetchall())
