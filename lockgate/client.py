"""The service's API as methods. Documents come and go as the API has them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from lockgate.errors import ApiError
from lockgate.session import Session
from lockgate.waiting import Patience

CHUNK = 256 * 1024
Document = dict[str, Any]
ENDED = frozenset({"done", "failed", "rejected", "withdrawn", "expired", "voided", "superseded"})
"""States in which nothing more happens to a request."""
UNSETTLED = ("open", "approved", "executing")
"""The others, in the order requests take them: read so, one that moves on is not missed."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Bytes that are in the store, and whether this upload brought them."""

    sha256: str
    size: int
    is_new: bool


class Client:
    """Speaks to one service with one token. Not for several threads at once."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._session = Session(url, token, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def doctor(self) -> Document:
        """Ask the service to examine itself. For those who operate or administer it."""
        return self._session.get("doctor")

    def me(self) -> Document:
        """Ask who the token is, and what it may do where."""
        return self._session.get("me")

    # Registry

    def upload_blob(self, source: Path | bytes) -> Uploaded:
        """Bring bytes to the store, in pieces; nothing is sent when they are there."""
        sha256, size = _measure(source)
        path = f"blobs/sha256:{sha256}"
        found = self._session.send("HEAD", path, accept=frozenset({404}))
        if found.is_success:
            return Uploaded(sha256, size, is_new=False)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        answer = self._session.send("PUT", path, stream=lambda: _chunks(source), headers=headers)
        return Uploaded(sha256, size, is_new=answer.status_code == httpx.codes.CREATED)

    def register_model(self, name: str, *, owner: str, purpose: str, **more: object) -> Document:
        """Register a model.

        Raises:
            ApiError: ``exists``, the name is taken.
        """
        return self._session.post(
            "models", {"name": name, "owner": owner, "purpose": purpose, **more}
        )

    def model(self, name: str) -> Document:
        """Show a model."""
        return self._session.get(f"models/{_part(name)}")

    def models(self) -> Iterator[Document]:
        """List models, page by page."""
        return self._pages("models")

    def register_version(self, model: str, manifest: bytes) -> Document:
        """Register a version by its manifest's exact bytes; the same again is the same version."""
        return self._session.post(f"models/{_part(model)}/versions", manifest)

    def version(self, model: str, number: int) -> Document:
        """Show a version: its status, manifest, and state per environment."""
        return self._session.get(f"models/{_part(model)}/versions/{number}")

    def versions(self, model: str) -> Iterator[Document]:
        """List a model's versions, the newest first."""
        return self._pages(f"models/{_part(model)}/versions")

    def lineage(self, model: str, number: int) -> Document:
        """Report where a version comes from, and what was done with it by whom."""
        return self._session.get(f"models/{_part(model)}/versions/{number}/lineage")

    def relations(self, model: str, number: int) -> Document:
        """Show what a version comes from, what comes of it, and what retiring it would mean."""
        return self._session.get(f"models/{_part(model)}/versions/{number}/relations")

    def versions_by_origin(self, **asked: str) -> Iterator[Document]:
        """Find versions by what they were made of, and where each of them answers.

        Args:
            asked: ``dataset``, ``digest``, ``from``, ``to``, ``commit``, ``run``, ``feature``,
                ``package`` and ``live``; all that are given must hold.
        """
        return self._pages("lineage/versions", **asked)

    def audit_report(
        self, environment: str = "", *, form: str = "application/json", **asked: str
    ) -> bytes:
        """Report what changed in an environment, or everywhere; the exact bytes, to be kept.

        Args:
            form: ``application/json``, ``text/html``, or ``application/zip`` for a bundle.
            asked: ``from``, ``to``, and ``as_of`` or ``size``.
        """
        path = f"environments/{_part(environment)}/report" if environment else "audit/report"
        return self._session.send("GET", path, params=asked, headers={"Accept": form}).content

    def wait_until_inspected(self, model: str, number: int, *, seconds: float = 300.0) -> Document:
        """Wait until a version's ``status`` is ready or rejected.

        Raises:
            WaitedTooLong: it is still being inspected.
        """
        return Patience(seconds).until(
            lambda: self.version(model, number),
            lambda version: version["status"] != "inspecting",
            what=f"the inspection of {model} {number}",
        )

    # Promotion

    def promote(
        self,
        model: str,
        version: int,
        environment: str,
        *,
        to: str,
        reason: str,
        ticket: str = "",
        dry_run: bool = False,
    ) -> Document:
        """Ask that a version goes ``dark``, to ``production`` or to ``retired``.

        Args:
            dry_run: only evaluate the gates; nothing is asked and nobody is told.
        """
        body = {
            "model": model,
            "version": version,
            "environment": environment,
            "to": to,
            "reason": reason,
            "ticket": ticket,
        }
        query = {"dry_run": "1"} if dry_run else {}
        return self._session.post("promotions", body, **query)

    def promotion(self, promotion_id: str) -> Document:
        """Show a request: gates with facts, signatures, and each agent's steps."""
        return self._session.get(f"promotions/{_part(promotion_id)}")

    def promotions(self, *, state: str | None = None) -> Iterator[Document]:
        """List requests, the newest first."""
        return self._pages("promotions", state=state)

    def unsettled(self, model: str, version: int, environment: str, *, to: str) -> Document | None:
        """Find the request for just this that has not ended, if there is one."""
        return self._newest((model, version, environment, to), states=UNSETTLED)

    def done(self, model: str, version: int, environment: str, *, to: str) -> Document | None:
        """Find the newest request for just this that was carried out, if there is one."""
        return self._newest((model, version, environment, to), states=("done",))

    def _newest(
        self, wanted: tuple[str, int, str, str], *, states: Iterable[str]
    ) -> Document | None:
        for state in states:
            for found in self.promotions(state=state):
                names = ("model", "version", "environment", "to")
                if tuple(found.get(name) for name in names) == wanted:
                    return found
        return None

    def approve(
        self,
        promotion_id: str,
        *,
        content_hash: str,
        password: str,
        decision: str = "approve",
        meaning: str = "approval",
        comment: str = "",
    ) -> Document:
        """Sign a request, as a person: for exactly what ``content_hash`` stands for.

        Args:
            decision: ``approve`` or ``reject``.
            meaning: ``review``, ``approval`` or ``responsibility``.
        """
        body = {
            "decision": decision,
            "meaning": meaning,
            "comment": comment,
            "content_hash": content_hash,
            "password": password,
        }
        return self._session.post(f"promotions/{_part(promotion_id)}/approvals", body)

    def comment(self, promotion_id: str, text: str) -> Document:
        """Say something about a request. It is kept, and never changed."""
        return self._session.post(f"promotions/{_part(promotion_id)}/comments", {"text": text})

    def comments(self, promotion_id: str) -> Iterator[Document]:
        """List what was said about a request, the oldest first."""
        return self._pages(f"promotions/{_part(promotion_id)}/comments")

    def withdraw(self, promotion_id: str, *, reason: str) -> Document:
        """Take back a request of one's own that has not begun."""
        return self._session.post(f"promotions/{_part(promotion_id)}/withdraw", {"reason": reason})

    def wait_for_promotion(
        self, promotion_id: str, *, states: Iterable[str] = ENDED, seconds: float = 600.0
    ) -> Document:
        """Wait until a request is in one of these states, or has ended.

        Raises:
            WaitedTooLong: it is not.
        """
        wanted = ENDED | frozenset(states)
        return Patience(seconds).until(
            lambda: self.promotion(promotion_id),
            lambda promotion: promotion["state"] in wanted,
            what=f"promotion {promotion_id}",
        )

    def rollback(
        self, environment: str, model: str, *, reason: str, to: int | None = None
    ) -> Document:
        """Let a former champion answer again, at once; by default the one before."""
        body: Document = {"reason": reason} if to is None else {"reason": reason, "to": to}
        path = f"environments/{_part(environment)}/models/{_part(model)}/rollback"
        return self._session.post(path, body)

    def stop(self, environment: str, model: str, *, reason: str) -> Document:
        """Take the champion away without a successor: callers get 503."""
        path = f"environments/{_part(environment)}/models/{_part(model)}/stop"
        return self._session.post(path, {"reason": reason})

    def environment_state(self, environment: str) -> Document:
        """Show what was decided for an environment, and what agents confirm."""
        return self._session.get(f"environments/{_part(environment)}/state")

    def apply(
        self, environment: str, document: Mapping[str, Any], *, dry_run: bool = False
    ) -> Document:
        """Make an environment, its targets and its policy be like this; says what changed."""
        query = {"dry_run": "1"} if dry_run else {}
        return self._session.put(f"environments/{_part(environment)}", document, **query)

    # What is wrong, and what helps

    def findings(self, **asked: str) -> Iterator[Document]:
        """List findings, the newest first.

        Args:
            asked: ``model``, ``version``, ``owner`` (a person, or ``me``), ``severity``, and
                ``state``: ``open``, ``closed`` or ``overdue``.
        """
        return self._pages("findings", **asked)

    def record_finding(self, model: str, number: int, **said: object) -> Document:
        """Hold something against a version, as a person who reviews.

        Args:
            said: ``severity``, ``title``, ``owner`` and ``due``; ``text``, ``blocks`` and
                ``condition_of`` where they apply.
        """
        return self._session.post(f"models/{_part(model)}/versions/{number}/findings", said)

    def close_finding(self, finding_id: str, *, resolution: str, evidence: str = "") -> Document:
        """Find that it is resolved, as another person than who recorded, owns or made it."""
        body = {"resolution": resolution, "evidence": evidence}
        return self._session.post(f"findings/{_part(finding_id)}/close", body)

    def incidents(self, **asked: str) -> Iterator[Document]:
        """List incidents, the newest first.

        Args:
            asked: ``environment``, and ``state``: ``open`` or ``closed``.
        """
        return self._pages("incidents", **asked)

    def open_incident(
        self, environment: str, *, severity: str, title: str, model: str = "", detail: str = ""
    ) -> Document:
        """Say that something is wrong in an environment, with one model or with everything."""
        body = {
            "environment": environment,
            "severity": severity,
            "title": title,
            "detail": detail,
        }
        return self._session.post("incidents", {**body, "model": model} if model else body)

    def close_incident(self, incident_id: str, *, resolution: str) -> Document:
        """Say that it is over, and how."""
        return self._session.post(
            f"incidents/{_part(incident_id)}/close", {"resolution": resolution}
        )

    def name_spare(self, environment: str, model: str, version: int, *, reason: str) -> Document:
        """Let a former champion answer when the champion fails."""
        return self._session.post(
            _spare(environment, model), {"version": version, "reason": reason}
        )

    def drop_spare(self, environment: str, model: str, *, reason: str) -> Document:
        """Retire the spare."""
        return self._session.delete(_spare(environment, model), {"reason": reason})

    def change_agent(self, agent_id: str, change: str, *, reason: str) -> Document:
        """Take an agent out of what counts, or let it back in.

        Args:
            change: ``cordon``, ``uncordon``, ``evict`` or ``decommission``.
        """
        return self._session.post(f"agents/{_part(agent_id)}/{_part(change)}", {"reason": reason})

    def _pages(self, path: str, **query: str | None) -> Iterator[Document]:
        cursor: str | None = None
        while True:
            page = self._session.get(path, cursor=cursor, **query)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return


def _part(name: str) -> str:
    """Make a name one part of a path, whatever is in it."""
    if name in {"", ".", ".."}:
        raise ApiError(404, "not_found", f"{name!r} is no name.")
    return quote(name, safe="")


def _spare(environment: str, model: str) -> str:
    return f"environments/{_part(environment)}/models/{_part(model)}/spare"


def _measure(source: Path | bytes) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(source):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        for start in range(0, len(source), CHUNK):
            yield source[start : start + CHUNK]
        return
    with source.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
