"""What an agent reports of the answers it has timed, made by the agent's own arithmetic."""

from collections.abc import Iterable
from typing import Any

from serving_agent.latency import Latency


def measured(taken: Iterable[float], *, budget_ms: float | None = None) -> dict[str, Any]:
    """Return the ``latency`` of a report, of answers that took so many milliseconds each."""
    latency, over = Latency(clock=lambda: 0.0), 0
    for milliseconds in taken:
        latency.add(milliseconds)
        over += budget_ms is not None and milliseconds > budget_ms
    windows = [
        {
            "seconds": one.seconds,
            "count": one.count,
            "mean_ms": one.mean_ms,
            "sd_ms": one.sd_ms,
            "p50_ms": one.p50_ms,
            "p95_ms": one.p95_ms,
            "p99_ms": one.p99_ms,
        }
        for one in latency.windows()
    ]
    return {
        **windows[0],
        "windows": windows,
        "since_load": {
            "first": 0,
            "counts": latency.counts,
            "sum_ms": latency.sum_ms,
            "squares": latency.squares,
        },
        "over_budget": over,
        "budget_ms": budget_ms,
    }
