"""A log that takes no entry: what is then left of a change, and which services wanted one."""

import importlib
import inspect
import pkgutil
import sys
from contextlib import contextmanager

from django.db import DatabaseError, connection

import governance.services
import promotion.services
import registry.services

FREE = (
    *("audit_", "django_", "governance_accesslog", "governance_idempotencykey"),
    *("registry_blob", "promotion_agentreport"),
)
"""Tables without decisions: the log itself, sessions, traffic, bytes that nothing names yet, and
what agents say of themselves."""


class Refusing:
    """Takes so many entries and no more; remembers whose they would have been."""

    def __init__(self, after=0):
        self.after, self.wanted, self.services = after, 0, set()

    def __call__(self, execute, sql, params, many, context):
        if "audit_append" not in str(sql):
            return execute(sql, params, many, context)
        self.wanted += 1
        frame = sys._getframe()
        while frame is not None:
            self.services.add(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}")
            frame = frame.f_back
        if self.wanted > self.after:
            raise DatabaseError("the log takes no entry")
        return execute(sql, params, many, context)

    @property
    def has_refused(self):
        return self.wanted > self.after


@contextmanager
def refusing(after=0):
    log = Refusing(after)
    with connection.execute_wrapper(log):
        yield log


def everything():
    """A fingerprint of every table with decisions."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = sorted(name for (name,) in cursor.fetchall() if not name.startswith(FREE))
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{name}', md5(string_agg(row::text, ' ' ORDER BY row::text))"
                f" FROM {name} AS row"
                for name in names
            )
        )
        return dict(cursor.fetchall())


def services():
    """Every public function of a service's module that is told who acts."""
    found = set()
    for package in (governance.services, registry.services, promotion.services):
        for place in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, function in vars(importlib.import_module(place.name)).items():
                if (
                    inspect.isfunction(function)
                    and function.__module__ == place.name
                    and not name.startswith("_")
                    and "actor" in inspect.signature(function).parameters
                ):
                    found.add(f"{place.name}.{name}")
    return found
