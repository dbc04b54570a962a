"""The admin: everything to look at, nothing to edit. Importing this registers the tables."""

from governance.admin import tables
from governance.admin.read_only import ReadOnlyAdmin

__all__ = ["ReadOnlyAdmin", "tables"]
