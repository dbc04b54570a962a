"""Put a small fleet's environments in place and hand out join tokens, for ``lockgate up``.

The contract with the supervisor is in ``governance.embedded.fleet``. What exists stays
as it is, policies above all: only what is missing is added.
"""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from django.core.management import BaseCommand, CommandError

from governance import signing
from governance.actors import Actor
from governance.embedded import fleet
from governance.embedded.errors import EmbeddedError
from governance.errors import GovernanceError
from promotion.models import Target
from promotion.services import agents, environments, publishing

LIFETIME = timedelta(days=1)
"""Agents use their token within seconds; a day lets one that fails at first be mended."""
ACTOR = Actor.from_task("lockgate.up")


class Command(BaseCommand):
    help = "Make a fleet file's environments exist, and print join tokens for its agents."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a fleet file, in YAML")
        parser.add_argument(
            "--enrolled",
            action="append",
            default=[],
            metavar="NAME",
            help="an agent that has its own token by now; may be repeated",
        )

    def handle(self, *, file: Path, enrolled: list[str], **_options: object) -> None:
        try:
            wanted = fleet.read(file)
            for position, environment in enumerate(
                yaml.safe_load(file.read_text())["environments"]
            ):
                self._complete(environment, position=position)
            tokens = {
                agent.name: agents.issue_join_token(
                    environment=agent.environment,
                    tier=agent.tier,
                    uses=1,
                    lifetime=LIFETIME,
                    actor=ACTOR,
                )
                for agent in wanted
                if agent.name not in enrolled
            }
        except (EmbeddedError, GovernanceError) as error:
            raise CommandError(_in_one_line(error)) from None
        except (KeyError, TypeError, AttributeError) as error:
            message = f"{file} does not describe a fleet: {error}"
            raise CommandError(message) from None
        key = signing.fingerprint(signing.public_keys()[0])
        self.stdout.write(json.dumps({"key": key, **tokens}))

    def _complete(self, wanted: Mapping[str, Any], *, position: int) -> None:
        """Add what is missing of one environment: itself, its policy, its targets."""
        slug = str(wanted["slug"])
        present = list(Target.objects.filter(environment__slug=slug).select_related("environment"))
        missing = {t["tier"]: _target(t) for t in wanted["targets"]}
        for target in present:
            missing.pop(target.tier, None)
        if present and not missing:
            return
        document: dict[str, object] = {
            "kind": wanted.get("kind", ""),
            "position": wanted.get("position", position),
            **({"policy": wanted["policy"]} if "policy" in wanted else {}),
            "targets": missing,
        }
        if present:
            document |= _as_it_is(present)
            document["targets"] = {
                **missing,
                **{t.tier: {"mirror_fraction": t.mirror_fraction} for t in present},
            }
        applied = environments.apply(slug=slug, document=document, actor=ACTOR)
        for change in applied.changes:
            self.stderr.write(f"made {change}")


def _as_it_is(present: list[Target]) -> dict[str, object]:
    """Describe an environment as it is, so that putting it in place changes none of it."""
    environment = present[0].environment
    found = publishing.rules_of(environment.pk)
    kept: dict[str, object] = {"kind": environment.kind, "position": environment.position}
    return {**kept, "policy": found[0].document} if found else kept


def _target(wanted: Mapping[str, Any]) -> dict[str, object]:
    return {"mirror_fraction": wanted.get("mirror_fraction", 0.0)}


def _in_one_line(error: BaseException) -> str:
    context = getattr(error, "context", {})
    return " ".join([str(error), *(f"{key}: {value}" for key, value in context.items())])
