"""Ways to cheat, by whoever has power: what to paste, what names it, and within what time.

``make cheat`` hands them to a visitor, the tests play each against a real system, and
docs/audit.md lists them. A way to cheat that is none of these may still be noticed; what is
known not to be is in docs/audit.md too.
"""

from lockgate.demo.attacks.attack import Attack, By, Power
from lockgate.demo.attacks.decisions import DECISIONS
from lockgate.demo.attacks.disks import DISKS
from lockgate.demo.attacks.guards import GUARDS
from lockgate.demo.attacks.log import LOG

ATTACKS: tuple[Attack, ...] = (*LOG, *GUARDS, *DECISIONS, *DISKS)

__all__ = ["ATTACKS", "Attack", "By", "Power"]
