"""Lets mypy's Django plugin read the settings with no server running.

A mypy plugin only so that it is imported before that one; it changes no type.
"""

import os

from mypy.plugin import Plugin

STAND_INS = {
    "DATABASE_URL": "postgresql:///none",
    "BROKER_URL": "redis://none",
    "MIRROR_URL": "redis://none",
    "STORE_URL": "file:///none",
    "SECRET_KEY_FILE": __file__,
    "SIGNING_KEY_FILE": __file__,
}

for name, value in STAND_INS.items():
    os.environ.setdefault(name, value)


def plugin(_version: str) -> type[Plugin]:
    """Be a plugin that does nothing."""
    return Plugin
