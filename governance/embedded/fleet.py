"""The small fleet of ``lockgate up``, and how the control plane is told about it.

``up`` runs, before any agent starts::

    python -m django embedded_fleet FLEET.yaml [--enrolled NAME]...

The command makes sure that the environments, targets and policies of the file exist
(changing nothing that exists), and ends its standard output with one line of JSON::

    {"key": "<SHA-256 of the raw public signing key, 64 hex digits>",
     "<agent>": "<join token of its target, for one use>", ...}

with a token for every agent of the file but those named by ``--enrolled``: they have
their own by now. Whatever else it has to say goes to standard error.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from governance.embedded.errors import EmbeddedError

DEFAULT = Path(__file__).with_name("fleet.yaml")


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent to run, and the target it belongs to."""

    name: str
    environment: str
    tier: str


@dataclass(frozen=True, slots=True)
class Admission:
    """What an agent needs to enrol: the fingerprint of the control plane's key, and a token."""

    key: str
    tokens: dict[str, str]


def read(path: Path = DEFAULT) -> list[Agent]:
    """Read the agents of a fleet file.

    Raises:
        EmbeddedError: the file is missing or is not what it should be.
    """
    try:
        agents = list(_agents(yaml.safe_load(path.read_text())))
    except FileNotFoundError:
        raise EmbeddedError(f"no fleet file at {path}.") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise EmbeddedError(f"{path} does not describe a fleet: {reason}") from None
    names = [agent.name for agent in agents]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise EmbeddedError(f"{path} names {', '.join(twice)} twice.")
    return agents


def _agents(document: dict[str, list[dict[str, object]]]) -> Iterator[Agent]:
    for environment in document["environments"]:
        targets = environment["targets"]
        if not isinstance(targets, list):
            raise TypeError(f"the targets of {environment['slug']} are no list")
        for target in targets:
            for name in target.get("agents", []):
                yield Agent(str(name), str(environment["slug"]), str(target["tier"]))


def read_admission(output: str) -> Admission:
    """Read what ``embedded_fleet`` printed: the last line."""
    try:
        found = json.loads(output.strip().splitlines()[-1])
        return Admission(found.pop("key"), {str(k): str(v) for k, v in found.items()})
    except (IndexError, KeyError, ValueError, AttributeError, TypeError):
        raise EmbeddedError("embedded_fleet printed no tokens.") from None
