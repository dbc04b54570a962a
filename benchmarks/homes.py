"""An agent as it is after a restart with nobody to ask: its documents and files are on disk.

So a benchmark needs no control plane, and measures the agent that people run.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from serving_agent.signing import PAYLOAD_TYPE, PublicKey, Trust, pae
from serving_agent.state import Identity, State

ENVIRONMENT = "bench"


@dataclass(frozen=True)
class Pack:
    """One version: its manifest and the files that the manifest names."""

    model: str
    manifest: bytes
    files: tuple[bytes, ...]
    number: int = 1

    @property
    def digest(self) -> str:
        """The digest the agent knows it by."""
        return hashlib.sha256(self.manifest).hexdigest()


def make_home(home: Path, packs: Iterable[Pack]) -> None:
    """Write a home folder whose agent answers with each of these versions as a champion."""
    champions = list(packs)
    blobs = home / "blobs"
    blobs.mkdir(parents=True)
    for pack in champions:
        for content in (pack.manifest, *pack.files):
            (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    public = PublicKey(hashlib.sha256(raw).hexdigest()[:16], base64.b64encode(raw).decode())
    state = State(home)
    state.open()
    state.save_trust(Trust([public]))
    state.save_identity(_identity())
    payload = _payload([_slots(pack) for pack in champions], public)
    (home / "state" / "envelope.json").write_bytes(_signed(payload, key, public.keyid))


def _identity() -> Identity:
    now = datetime.now(UTC)
    return Identity(
        agent_id="bench",
        token="none",  # noqa: S106 - nobody is asked with it
        issued_at=now,
        expires_at=now + timedelta(days=30),
        url="http://127.0.0.1:9",
        environment=ENVIRONMENT,
        tier="live",
        name="bench",
        labels={},
    )


def _slots(pack: Pack) -> Mapping[str, Any]:
    none = dict.fromkeys(("candidate", "bake", "spare", "latency_budget_ms"))
    return {
        **none,
        "model": pack.model,
        "champion": {"version": pack.number, "digest": pack.digest},
        "dark": [],
        "load": [],
        "hold": [],
        "switch": {"to": "all"},
        "placement": {"labels": {}, "minimum": 1},
    }


def _payload(models: list[Mapping[str, Any]], key: PublicKey) -> bytes:
    document = {
        "schema": "lockgate.desired-state/1",
        "requires": ["switch.all"],
        "environment": ENVIRONMENT,
        "tier": "live",
        "generation": 1,
        "issued_at": "2026-01-01T00:00:00Z",
        "keys": [{"keyid": key.keyid, "public": key.public}],
        "models": models,
        "mirror": None,
        "may_remove": [],
    }
    return json.dumps(document).encode()


def _signed(payload: bytes, key: Ed25519PrivateKey, keyid: str) -> bytes:
    signature = base64.b64encode(key.sign(pae(PAYLOAD_TYPE, payload))).decode()
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": keyid, "sig": signature}],
    }
    return json.dumps(envelope).encode()


def start_agent(home: Path, *, log: IO[bytes], **settings: str) -> subprocess.Popen[bytes]:
    """Start the agent of a home folder; ``address_of`` says when it is ready and where."""
    stale = [name for name in os.environ if name.startswith("LOCKGATE_AGENT_")]
    environment = {name: value for name, value in os.environ.items() if name not in stale}
    given = {f"LOCKGATE_AGENT_{name.upper()}": value for name, value in settings.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "serving_agent", "run", "--home", str(home)],
        env={**environment, **given},
        stdout=log,
        stderr=log,
    )


def address_of(home: Path, process: subprocess.Popen[bytes], *, seconds: float = 60.0) -> str:
    """Wait until the agent of ``home`` is ready, and return its URL."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            found = json.loads((home / "address.json").read_bytes())
        except (FileNotFoundError, ValueError):
            found = {}
        if found.get("pid") == process.pid and answers(f"{found['inference_url']}/v2/health/ready"):
            return str(found["inference_url"])
        time.sleep(0.05)
    sys.exit(f"the agent of {home} was not ready in {seconds:g} s (ended: {process.poll()})")


def answers(url: str) -> bool:
    """Tell whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own loopback
            return bool(response.status == 200)
    except OSError:
        return False
