"""What gates judge by."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Facts:
    """Gathered under the environment's lock, for one version and one environment.

    Attributes:
        inspection: ``inspecting``, ``ready`` or ``rejected``.
        answering_in: environment -> agents that confirm this digest as their champion.
        deployment_state: the version's state in the environment asked for.
        champion: number of the version that answers there, or None.
        at: when they were gathered, in UTC.
        ran_on: what agents that hold the version report of it: name, golden transactions passed
            and in total, memory in bytes, answers measured and their latency.
        latency: answers of the last hour on all agents that ran it, added up: how many, mean,
            deviation and quantiles; empty where none say how they are distributed.
        live_hours: environment -> hours that an agent heard now has answered with it.
        inputs_added, inputs_removed, inputs_narrowed: features, against the champion's; None
            where there is no champion.
        limits: the model's satisficing metrics and their upper bounds.
        undocumented: what the manifest or the model leave out.
        attested: kinds of evidence given by persons who are no authors.
        data_until: the day the newest training data ends, or "".
        dark_versions: numbers of the model's other versions that are dark here, or about to be.
        dark_idle_before: those of them that are older than this one and that nobody asks
            anything for.
        resident: agent of the target -> bytes it holds in memory now.
        incidents: what is open here, of the model or of everything: id, title, severity, since.
        findings: what is open on this version: id, title, severity, due, blocks, condition_of.
        pairs: dark scores paired with the champion's; ``flips``: those with another decision.
    """

    inspection: str
    inspection_reasons: tuple[str, ...] = ()
    answering_in: Mapping[str, int] = field(default_factory=dict)
    deployment_state: str = "trained"
    champion: int | None = None
    pairs: int = 0
    flips: int = 0
    errors: int = 0
    mean_absolute_difference: float = 0.0
    at: str = ""
    ran_on: tuple[Mapping[str, Any], ...] = ()
    latency: Mapping[str, float] = field(default_factory=dict)
    live_hours: Mapping[str, float] = field(default_factory=dict)
    inputs_added: tuple[str, ...] | None = None
    inputs_removed: tuple[str, ...] | None = None
    inputs_narrowed: tuple[str, ...] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    champion_metrics: Mapping[str, float] = field(default_factory=dict)
    optimising_metric: str = ""
    higher_is_better: bool = True
    limits: Mapping[str, float] = field(default_factory=dict)
    undocumented: tuple[str, ...] = ()
    attested: tuple[str, ...] = ()
    data_until: str = ""
    pipeline: str = ""
    champion_pipeline: str = ""
    latency_budget_ms: float | None = None
    resident: Mapping[str, int] = field(default_factory=dict)
    dark_versions: tuple[int, ...] = ()
    incidents: tuple[Mapping[str, str], ...] = ()
    dark_idle_before: tuple[int, ...] = ()
    findings: tuple[Mapping[str, object], ...] = ()

    def as_document(self) -> dict[str, object]:
        """The form they are stored and hashed in."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Read stored facts again; what was not gathered then is as by default."""
        known = {one.name for one in fields(cls)}
        found = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in document.items()
            if name in known
        }
        return cls(**found)  # type: ignore[arg-type]
