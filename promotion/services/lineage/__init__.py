"""The lineage report of one model version: gathered, built, signed and rendered."""

from promotion.services.lineage.making import report
from promotion.services.lineage.rendering import POLICY, as_html

__all__ = ["POLICY", "as_html", "report"]
