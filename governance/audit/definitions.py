"""Are the guards in the database those that the migrations made?

A trigger can be switched on and do nothing: its function was replaced, or it was made
anew with a condition that never holds. What should be there is read from the migrations
of this very code, and compared with what the database says of itself.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from django.db import connection
from django.db.migrations import Migration, RunSQL
from django.db.migrations.loader import MigrationLoader

_NAME = r"(?:public\.)?(\w+)"
_FUNCTION = re.compile(
    rf"CREATE (?:OR REPLACE )?FUNCTION {_NAME}\s*\((?:[^$]*?)\)\s*RETURNS ([^$]*?)"
    r"AS \$\$(.*?)\$\$",
    re.DOTALL,
)
_TRIGGER = re.compile(
    rf"CREATE (?:CONSTRAINT )?TRIGGER (\w+)\s+(.*?)\s+ON {_NAME}\b(.*?)"
    rf"EXECUTE FUNCTION {_NAME}\((.*?)\)",
    re.DOTALL,
)
_STATEMENT = re.compile(
    rf"(?P<function>{_FUNCTION.pattern})|(?P<trigger>{_TRIGGER.pattern})"
    r"|DROP TRIGGER (?:IF EXISTS )?(?P<gone>\w+) ON (?:public\.)?(?P<table>\w+)",
    re.DOTALL,
)
_THERE = """
SELECT proname, prosrc, prosecdef FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""
_TRIGGERS = """
SELECT relname, tgname, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger
JOIN pg_class ON pg_class.oid = tgrelid
WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace
"""
_RULES = "SELECT tablename, rulename FROM pg_rules WHERE schemaname = 'public'"
_HIDDEN = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity
"""


class Trigger(NamedTuple):
    """What counts of a trigger, whoever has written it down."""

    when: str
    how: str
    function: str
    arguments: str


class Expected(NamedTuple):
    """What the migrations made: bodies of functions and whose rights they have, and triggers."""

    functions: dict[str, tuple[str, bool]]
    triggers: dict[tuple[str, str], Trigger]


def changed() -> list[str]:
    """Name what is not as the migrations made it, or is there and nobody made it. Four queries."""
    expected = from_migrations()
    with connection.cursor() as cursor:
        cursor.execute(_THERE)
        functions = {name: (body, is_definer) for name, body, is_definer in cursor.fetchall()}
        cursor.execute(_TRIGGERS)
        triggers = {(table, name): _read(text) for table, name, text in cursor.fetchall()}
        cursor.execute(_RULES)
        rules = sorted(cursor.fetchall())
        cursor.execute(_HIDDEN)
        hidden = sorted(name for (name,) in cursor.fetchall())
    return [
        *_functions(expected, functions),
        *_triggers(expected, triggers),
        *(f"the rule {rule} of {table} is none of ours" for table, rule in rules),
        *(f"row security hides rows of {table}" for table in hidden),
    ]


def _functions(expected: Expected, there: dict[str, tuple[str, bool]]) -> Iterator[str]:
    for name, wanted in sorted(expected.functions.items()):
        if name not in there:
            yield f"the function {name} is missing"
        elif there[name] != wanted:
            yield f"the function {name} was replaced"
    for name in sorted(there.keys() - expected.functions.keys()):
        yield f"the function {name} is none of ours"


def _triggers(expected: Expected, there: dict[tuple[str, str], Trigger]) -> Iterator[str]:
    """What is missing, ``verify.missing_guards`` names."""
    for (table, name), found in sorted(there.items()):
        wanted = expected.triggers.get((table, name))
        if wanted is None:
            yield f"the trigger {name} of {table} is none of ours"
        elif wanted != found:
            yield f"the trigger {name} of {table} was made anew, and is another"


@cache
def from_migrations() -> Expected:
    """Read what the migrations on this disk make, in their order."""
    expected = Expected({}, {})
    graph, made = MigrationLoader(None).graph, dict[tuple[str, str], Migration]()
    for node in graph.leaf_nodes():
        for key in graph.forwards_plan(node):
            made.setdefault(key, graph.nodes[key])
    for migration in made.values():
        for statement in _statements(migration):
            _note(expected, statement)
    return expected


def _statements(migration: Migration) -> Iterator[re.Match[str]]:
    for operation in migration.operations:
        if isinstance(operation, RunSQL):
            yield from _STATEMENT.finditer(str(operation.sql))


def _note(expected: Expected, statement: re.Match[str]) -> None:
    if text := statement["function"]:
        match = _FUNCTION.fullmatch(text)
        if match:
            expected.functions[match[1]] = match[3], "SECURITY DEFINER" in match[2]
    elif text := statement["trigger"]:
        match = _TRIGGER.fullmatch(text)
        if match:
            expected.triggers[match[3], match[1]] = _read(text)
    else:
        expected.triggers.pop((statement["table"], statement["gone"]), None)


def _read(text: str) -> Trigger:
    """Read a trigger as a migration, or PostgreSQL, has written it."""
    match = _TRIGGER.search(text)
    if match is None:
        return Trigger(text, "", "", "")
    timing, _, events = match[2].partition(" ")
    single = re.split(r"\bOR\b", events.replace(",", " , "))
    named = sorted(" ".join(event.split()) for event in single)
    return Trigger(
        when=f"{timing} {' OR '.join(named)}",
        how=re.sub(r"[\s()]", "", match[4]).lower(),
        function=match[5],
        arguments=match[6],
    )
