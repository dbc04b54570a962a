"""The report of an environment or a period: gathered, built, signed, rendered, bundled."""

from promotion.services.lineage_scope.asking import PARAMETERS, Asked, read
from promotion.services.lineage_scope.making import bundle, bundle_file, report
from promotion.services.lineage_scope.rendering import as_html

__all__ = ["PARAMETERS", "Asked", "as_html", "bundle", "bundle_file", "read", "report"]
