"""The lineage report of one model version: gathered, built, signed and rendered."""

from promotion.services.lineage.asking import AsOf, as_of
from promotion.services.lineage.bundling import bundle
from promotion.services.lineage.making import Report, make, report
from promotion.services.lineage.rendering import POLICY, as_html

__all__ = ["POLICY", "AsOf", "Report", "as_html", "as_of", "bundle", "make", "report"]
