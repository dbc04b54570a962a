"""Joining: a join token and the control plane's key fingerprint, both from another channel.

The fingerprint is what makes the agent safe from whoever answers at that
address. Of the keys that come with the answer, only the one it names is
trusted; a successor is learnt later, from a document that one has signed.
"""

import logging
import re
import socket
from datetime import UTC, datetime

from serving_agent.control_plane import ControlPlane, Enrolled
from serving_agent.documents import FEATURES
from serving_agent.errors import EnrolmentRefused, PermanentFailure
from serving_agent.settings import Settings
from serving_agent.signing import Trust
from serving_agent.state import Identity, State, parse_time

logger = logging.getLogger(__name__)


def enrol(settings: Settings, state: State, *, software: str) -> Identity:
    """Enrol with what the settings hold, and keep what comes back.

    Raises:
        EnrolmentRefused: something is missing, wrong, or was refused.
        TemporaryFailure: the control plane did not answer.
    """
    url, token, key = settings.url, settings.join_token, settings.key
    if not url or not token or not key:
        raise EnrolmentRefused("enrolling needs the control plane's --url, a --token and its --key")
    client = ControlPlane(url, seconds=settings.http_seconds, ca_file=settings.ca_file)
    try:
        answer = client.enrol(
            {
                "join_token": token.get_secret_value(),
                "name": _name(settings),
                "labels": settings.labels,
                "control_url": None,
                "inference_url": None,
                "software": software,
                "features": sorted(FEATURES),
            }
        )
    except PermanentFailure as exc:
        raise EnrolmentRefused(f"the control plane will not have this agent: {exc}") from exc
    finally:
        client.close()
    return _keep(answer, settings, state)


def _name(settings: Settings) -> str:
    """Return the given name, else one made of the host's, as the control plane takes them."""
    return settings.name or re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")


def _keep(answer: Enrolled, settings: Settings, state: State) -> Identity:
    if answer.tier not in ("live", "dark"):
        raise EnrolmentRefused(f"this agent knows no tier {answer.tier[:40]!r}")
    try:
        trust = Trust.pinned(answer.keys, expected=settings.key or "")
        identity = Identity(
            agent_id=answer.agent_id,
            token=answer.token,
            issued_at=datetime.now(UTC),
            expires_at=parse_time(answer.expires_at),
            url=settings.url or "",
            environment=answer.environment,
            tier=answer.tier,
            name=_name(settings),
            labels=settings.labels,
        )
    except ValueError as exc:
        raise EnrolmentRefused(str(exc)) from exc
    state.save_trust(trust)
    state.save_identity(identity)
    return identity
