"""Servers and keys for one machine: one command, no root, no packages, no containers.

Everything of a deployment that is not named by a setting is provided here, below
one folder. What is named by a setting is left alone, and nothing else in the code
asks which of the two it is. Nothing in this package needs Django.
"""

from governance.embedded.errors import EmbeddedError
from governance.embedded.provide import provide_missing, stop_started

__all__ = ["EmbeddedError", "provide_missing", "stop_started"]
