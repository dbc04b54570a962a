"""A report as pictures, placed by us and drawn by templates; every number stands beside them.

State is told by a word and a shape first and by a shade second, so that it reads in grey
print. A picture of nothing is no picture.
"""

from promotion.lineage.drawings import graph, lanes, people

__all__ = ["graph", "lanes", "people"]
