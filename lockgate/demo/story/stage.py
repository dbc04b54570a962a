"""Where the story plays: the system, its people, the callers, and what all acts need."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from lockgate.client import Document
from lockgate.convert import Converted
from lockgate.demo import data, packing, probe
from lockgate.demo.errors import StoryError
from lockgate.demo.narrator import Narrator
from lockgate.demo.packing import MODEL, Pack
from lockgate.demo.people import CI, People
from lockgate.demo.system import System
from lockgate.demo.tally import Tally
from lockgate.demo.traffic import Traffic
from lockgate.demo.training import Recipe, Trained, train

QA: Final = "qa"
PROD: Final = "prod-eu"
LIVE: Final = ("eu-1", "eu-2")
PATIENCE: Final = 90.0
"""Seconds anything may take before the story gives up on it."""


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version of the story, and what it was made of."""

    number: int
    trained: Trained
    converted: Converted
    request: Document = field(default_factory=dict)


@dataclass(slots=True)
class Stage:
    """Filled act by act."""

    system: System
    tell: Narrator
    parts: data.Parts
    people: People = field(default_factory=lambda: People("", {}))
    traffic: Traffic | None = None
    versions: dict[int, Version] = field(default_factory=dict)
    first: tuple[Trained, Converted] | None = None
    """The first version, made while the system comes up."""
    memory_before: dict[str, int] = field(default_factory=dict)
    """What the live agents took while they had two versions loaded."""
    waiting: str = ""
    """The id of the request that waits for the visitor."""

    @property
    def reports(self) -> Path:
        folder = self.system.home / "reports"
        folder.mkdir(exist_ok=True)
        return folder

    def live_agents(self) -> dict[str, str]:
        return {name: self.system.agents[name] for name in LIVE}

    def callers(self) -> Traffic:
        if self.traffic is None:
            raise StoryError("no callers have arrived yet")
        return self.traffic

    def tally(self) -> Tally:
        return self.traffic.tally() if self.traffic else Tally()

    # Making versions

    def train(self, recipe: Recipe) -> tuple[Trained, Converted]:
        """Train, convert and prove; nothing of it needs the system."""
        trained = train(recipe, self.parts)
        self.tell.say(
            f"trained: {recipe.words}; AUC {trained.auc:.4f} on {data.HELD_OUT:,} clients it"
            f" has not seen ({trained.seconds:.1f} s)"
        )
        converted = packing.convert_trained(trained, self.parts.held_out)
        self.tell.say(
            f"converted to ONNX: {len(converted.onnx) / 1e6:.1f} MB; differs from scikit-learn by"
            f" {converted.largest_difference:.1e} at most on {packing.SAMPLE:,} clients"
        )
        return trained, converted

    def register(self, made: tuple[Trained, Converted], *, golden: bytes | None = None) -> Version:
        """Register a version as CI does: upload its files, send the manifest, await inspection."""
        trained, converted = made
        folder = self.system.home / "versions" / str(len(self.versions) + 1)
        pack = packing.write(folder, trained, converted, golden=golden)
        number = self._register(pack)
        self.versions[number] = Version(number, trained, converted)
        return self.versions[number]

    def _register(self, pack: Pack) -> int:
        ci = self.people.client(CI)
        for file in pack.files.values():
            ci.upload_blob(file)
        version = ci.register_version(MODEL, pack.manifest)
        version = ci.wait_until_inspected(MODEL, version["number"], seconds=PATIENCE)
        expect(version["status"], "ready", what=f"inspection of version {version['number']}")
        self.tell.say(
            f"registered as version {version['number']} over REST, inspected: sha256:"
            f"{version['digest'][:12]}"
        )
        return int(version["number"])

    # Asking and deciding

    def ask(self, number: int, environment: str, *, to: str, reason: str) -> Document:
        """Ask for a promotion, as CI does."""
        return self.people.client(CI).promote(MODEL, number, environment, to=to, reason=reason)

    def approve(self, request: Document, *, by: str, comment: str) -> float:
        """Sign for exactly what a request shows; give the time of the decision."""
        signed = self.people.client(by).approve(
            request["id"],
            content_hash=request["content_hash"],
            password=self.people[by].password,
            comment=comment,
        )
        return signed_at(signed)

    def wait_done(self, request: Document, *, state: str = "done") -> Document:
        """Wait until a request has ended, in the state it should."""
        ci = self.people.client(CI)
        found = ci.wait_for_promotion(request["id"], seconds=PATIENCE)
        what = f"{found['kind']} of version {found['version']} in {found['environment']}"
        expect(found["state"], state, what=f"{what} ({found['detail']})")
        return found

    def promote_in_qa(self, number: int) -> None:
        request = self.ask(number, QA, to="production", reason="CI passed")
        self.wait_done(request)
        self.confirm_champion(QA, number)
        self.tell.say(f"version {number} answers in qa, confirmed by its agent")

    def darken(self, number: int) -> None:
        request = self.ask(number, PROD, to="dark", reason="Judge it on real traffic")
        self.wait_done(request)
        self.tell.say(f"version {number} is dark in prod-eu: it sees copies and answers nobody")

    def confirm_champion(self, environment: str, number: int) -> None:
        """See that a version is decided champion, and that agents confirm it."""

        def settled() -> bool:
            found = self.of_model(environment)
            champion = found["champion"] or {}
            return champion.get("version") == number and found["live"]["verdict"] == "confirmed"

        wait_until(settled, what=f"version {number} live (confirmed) in {environment}")

    def of_model(self, environment: str) -> Document:
        """Show what is decided and observed of the model in an environment."""
        state = self.people.client(CI).environment_state(environment)
        found = next((each for each in state["models"] if each["model"] == MODEL), None)
        if found is None:
            raise StoryError(f"{MODEL} is not in {environment}")
        return dict(found)

    def deployment(self, environment: str, number: int) -> Document:
        """Show one version's decided state in an environment."""
        decided = self.of_model(environment)["decided"]
        found = next((each for each in decided if each["version"] == number), None)
        if found is None:
            raise StoryError(f"version {number} is not in {environment}")
        return dict(found)

    def memory(self) -> dict[str, int]:
        """Ask the live agents for the memory they take."""
        return {name: probe.resident_bytes(url) for name, url in self.live_agents().items()}


def signed_at(request: Document) -> float:
    """Give the time of a request's last signature, in seconds since the epoch."""
    return max(read_time(signature["at"]) for signature in request["approvals"])


def read_time(text: str) -> float:
    """Read a time as the API writes it: the control plane's clock is this machine's."""
    return datetime.fromisoformat(text).timestamp()


def expect(found: Any, wanted: Any, *, what: str) -> None:
    """Go on only if something is as the story says.

    Raises:
        StoryError: it is not.
    """
    if found != wanted:
        raise StoryError(f"{what}: {found!r}, and not {wanted!r}")


def wait_until(is_so: Callable[[], bool], *, what: str, seconds: float = PATIENCE) -> None:
    """Wait until something is so.

    Raises:
        StoryError: it is not, in that time.
    """
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise StoryError(f"after {seconds:g} s still not: {what}")
        time.sleep(0.1)
