"""How long to wait before the next try.

Full jitter: each wait is drawn from nothing up to the bound, and the bound
doubles. A thousand agents that lost the same control plane come back spread
out, not in step.
"""

import random
from collections.abc import Callable, Iterator


def delays(
    *, base: float = 0.5, cap: float = 30.0, draw: Callable[[float, float], float] = random.uniform
) -> Iterator[float]:
    """Yield waits in seconds, without end."""
    bound = base
    while True:
        yield draw(0.0, bound)
        bound = min(cap, bound * 2)


def jittered(seconds: float, *, draw: Callable[[float, float], float] = random.uniform) -> float:
    """Spread a period by a fifth to either side, so that agents do not fall into step."""
    return seconds * draw(0.8, 1.2)
