"""What an audit report looks like: types that reports are tested against, and their JSON schema."""

from promotion.lineage_scope.schema.document import Document, schema

__all__ = ["Document", "schema"]
