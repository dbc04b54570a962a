"""What a report looks like, as published: ``docs/lineage.schema.json`` is made from this.

``parts`` is what rows are made of, ``what`` the version (sections 1 to 5), ``happened`` what
became of it (6 to 10), ``proof`` the rest (11 to 13), and ``document`` all of it together.
"""

from promotion.lineage.schema.document import Document, schema

__all__ = ["Document", "schema"]
