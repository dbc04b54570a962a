"""From what should be served and what is, to the steps in between.

Pure, so that it can be tested as a table. The order keeps an answer at every
moment (make before break): the new bytes load before traffic moves, and the
old ones leave once nothing is in flight on them.

    Fetch -> Load -> Switch -> Unload -> Drop

The agent takes one step and plans again from what it then sees, so a crash, a
newer document or a failed step in the middle needs no special case.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Role(StrEnum):
    """What the agent does with a loaded version. The names are those of reports."""

    CHAMPION = "champion"
    CANDIDATE = "candidate"
    BAKE = "bake"
    SPARE = "spare"
    DARK = "dark"
    LOAD = "load"
    LEAVING = "leaving"


HOLD = "hold"
LAST = "last"
"""What answered here before a restart, until the champion that was decided since is loaded."""
PRIORITY = ("champion", LAST, "candidate", "bake", "spare", "load", "dark", HOLD)
LOADED_SLOTS = {
    "live": frozenset({"champion", "candidate", "bake", "spare", "load"}),
    "dark": frozenset({"champion", "candidate", "bake", "spare", "load", "dark"}),
}
"""A dark version never shares a process with answers to callers."""

Key = tuple[str, str]
"""Model and digest."""


@dataclass(frozen=True, slots=True)
class Wanted:
    model: str
    version: int
    digest: str
    slot: str

    @property
    def key(self) -> Key:
        return self.model, self.digest


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there: on disk, in memory, and what is known not to work."""

    held: frozenset[str] = frozenset()
    """Versions whose files are all on disk."""
    on_disk: frozenset[str] = frozenset()
    """Versions with anything on disk."""
    roles: Mapping[Key, Role] = field(default_factory=dict)
    """Loaded versions, and what each does now."""
    busy: frozenset[Key] = frozenset()
    """Loaded versions with requests in flight."""
    blocked: frozenset[str] = frozenset()
    """Versions not to be tried now."""
    last: Mapping[str, Wanted] = field(default_factory=dict)
    """By model: what answered last, as far as is known."""


@dataclass(frozen=True, slots=True)
class Fetch:
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Load:
    """Validate in a child, then load."""

    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Switch:
    """Give every loaded version of a model its role, at once."""

    model: str
    roles: tuple[tuple[str, Role], ...]


@dataclass(frozen=True, slots=True)
class Unload:
    model: str
    digest: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove from disk what belongs to none of these versions."""

    keep: frozenset[str]


Step = Fetch | Load | Switch | Unload | Drop


def with_last(desired: Iterable[Wanted], observed: Observed) -> list[Wanted]:
    """Add what answered last, where its successor is not loaded yet and its bytes are here.

    Make before break must outlive the process: one that ends in the middle of
    a swap, with nobody to fetch from, still has what it answered with.
    """
    wanted = list(desired)
    for model, last in observed.last.items():
        champion = next((w for w in wanted if w.model == model and w.slot == "champion"), None)
        if champion is None or champion.key in observed.roles or last.key == champion.key:
            continue
        is_here = last.digest in observed.held or last.key in observed.roles
        if is_here and not any(w.key == last.key and w.slot != HOLD for w in wanted):
            wanted = [w for w in wanted if w.key != last.key] + [last]
    return wanted


def answering(
    slots: Mapping[str, str], roles: Mapping[str, Role], *, last: str | None = None
) -> str | None:
    """Choose the digest that answers a model's unversioned calls.

    ``slots`` maps each digest wanted in memory to its slot, ``roles`` each
    loaded digest to what it does now; ``last`` is what answered last.
    """
    by_slot = {slot: digest for digest, slot in slots.items()}
    champion, spare = by_slot.get("champion"), by_slot.get("spare")
    if champion is not None and champion in roles:
        return champion
    now = next((digest for digest, role in roles.items() if role is Role.CHAMPION), None)
    if now is None and last in roles:
        now = last
    if champion is not None and now is not None:
        return now  # Make before break: until the new one is ready.
    return spare if spare in roles else None


def target_roles(
    slots: Mapping[str, str], roles: Mapping[str, Role], *, last: str | None = None
) -> dict[str, Role]:
    """Say what each loaded version of one model should do, as things are now."""
    chosen = answering(slots, roles, last=last)
    target = {digest: _role_in(slots.get(digest)) for digest in roles}
    if chosen is not None:
        target[chosen] = Role.CHAMPION
    return target


def _role_in(slot: str | None) -> Role:
    if slot is None:
        return Role.LEAVING
    return Role.LOAD if slot == LAST else Role(slot)


def _slots(desired: Iterable[Wanted], model: str) -> dict[str, str]:
    return {w.digest: w.slot for w in desired if w.model == model and w.slot != HOLD}


def _roles(observed: Observed, model: str) -> dict[str, Role]:
    return {digest: role for (name, digest), role in observed.roles.items() if name == model}


def switches(desired: Iterable[Wanted], observed: Observed) -> list[Switch]:
    """Find the models whose loaded versions do something else than they should."""
    wanted = with_last(desired, observed)
    steps = []
    for model in sorted({name for name, _ in observed.roles}):
        roles = _roles(observed, model)
        last = observed.last.get(model)
        target = target_roles(_slots(wanted, model), roles, last=last.digest if last else None)
        if target != roles:
            steps.append(Switch(model, tuple(sorted(target.items()))))
    return steps


def _unloads(observed: Observed) -> list[Unload]:
    return [
        Unload(*key)
        for key, role in sorted(observed.roles.items())
        if role is Role.LEAVING and key not in observed.busy
    ]


def _work(desired: list[Wanted], observed: Observed) -> list[Step]:
    """Order what is to be fetched and loaded: who answers first, from disk before the network."""
    steps: list[tuple[bool, int, bool, Step]] = []
    for wanted in desired:
        rank = PRIORITY.index(wanted.slot)
        if wanted.digest in observed.blocked or wanted.key in observed.roles:
            continue
        if wanted.digest not in observed.held:
            steps.append((True, rank, True, Fetch(wanted)))
        elif wanted.slot != HOLD:
            may_answer = wanted.slot in ("champion", LAST)
            steps.append((not may_answer, rank, False, Load(wanted)))
    return [step for *_, step in sorted(steps, key=lambda one: one[:3])]


def _drops(desired: list[Wanted], observed: Observed) -> list[Drop]:
    keep = {wanted.digest for wanted in desired} | {digest for _, digest in observed.roles}
    return [Drop(frozenset(keep))] if observed.on_disk - keep else []


def next_steps(desired: Iterable[Wanted], observed: Observed) -> list[Step]:
    """List what could be done now, the most urgent first."""
    wanted = with_last(desired, observed)
    return [
        *switches(wanted, observed),
        *_unloads(observed),
        *_work(wanted, observed),
        *_drops(wanted, observed),
    ]


def after(step: Step, observed: Observed) -> Observed:
    """Say what would be there if a step succeeded and nothing were in flight."""
    roles = dict(observed.roles)
    match step:
        case Fetch(wanted):
            held = observed.held | {wanted.digest}
            return replace(observed, held=held, on_disk=observed.on_disk | {wanted.digest})
        case Load(wanted):
            roles[wanted.key] = Role.LOAD
        case Switch(model, target):
            roles.update({(model, digest): role for digest, role in target})
        case Unload(model, digest):
            del roles[model, digest]
        case Drop(keep):
            return replace(observed, held=observed.held & keep, on_disk=observed.on_disk & keep)
    return replace(observed, roles=roles)


def plan(desired: Iterable[Wanted], observed: Observed) -> list[Step]:
    """Lay out every step to the end, as if each succeeded."""
    wanted, steps = list(desired), []
    while following := next_steps(wanted, observed):
        steps.append(following[0])
        observed = after(following[0], observed)
    return steps
