"""The world the matrix is tried in: one of each thing, and everybody who tries.

Everything there is belongs to the environment ``prod-here`` and to models of the group
``cards``. ``prod-there`` and the group ``ads`` have their own, to be kept apart.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from governance.audit.models import Entry
from governance.models import Environment, RoleBinding, ServiceToken, User
from governance.services import bindings, erasures, people, tokens
from promotion import wire
from promotion.models import Agent, Deployment, Policy, Rollout, Target
from promotion.services import agents, findings, incidents, policy_requests, requests
from promotion.services.webhooks import addresses
from registry.services import blobs
from tests.access.matrix import ROLES, SCOPES, Scope
from tests.pages.factory import PASSWORD, SET_UP, Rig, World

PLACES = {"here": "prod-here", "there": "prod-there"}
POLICY = {
    "approvals": 1,
    "policy_approvals": 1,
    "break_glass_roles": ["operator"],
    "waivers": {"gates": ["latency"], "hours": 48},
}
SERVICE_ROLES = ("viewer", "submitter", "operator", "auditor", "admin")
"""Every role a service's token may hold."""
SERVICES = {"here, own group": "ci-here", "elsewhere": "ci-there"}


@dataclass(frozen=True)
class Caller:
    """Somebody who tries: with a token, and with a browser if it is a person."""

    name: str
    roles: tuple[str, ...] = ()
    scope: Scope | None = None
    kind: str = "person"
    secret: str = ""
    session: str = ""


@dataclass
class Stage:
    """What there is, by name, and who tries."""

    things: dict[str, object] = field(default_factory=dict)
    callers: dict[str, Caller] = field(default_factory=dict)


def all_but(roles: tuple[str, ...]) -> str:
    """Name who holds every role but these, everywhere."""
    return f"all but {' and '.join(roles)}"


def build(named: Iterable[tuple[str, ...]]) -> Stage:
    """Make it all, by the services that make it anywhere.

    Args:
        named: the roles that rows name together.
    """
    world, stage = World(), Stage()
    _people(world, stage)
    _runtime(world, stage)
    _rules(stage)
    _incidents(stage)
    _findings(world, stage)
    _erasures(world, stage)
    _fleet(stage)
    _callers(stage)
    _strangers(stage, named)
    return stage


def _people(world: World, stage: Stage) -> None:
    """Asha asks, ada administers; both are known by name to the rows."""
    for name, role in (("asha", "submitter"), ("ada", "admin"), ("omar", "operator")):
        user = world.person(name, role)
        stage.callers[name] = _signed_in(name, user)
    asha = User.objects.get(username="asha")
    mine = tokens.issue(name="asha's other", scope="personal", owner=asha, actor=asha.actor)
    stage.things |= {"asha": "asha", "new": "new", "token": mine.token.pk, "password": PASSWORD}


def _runtime(world: World, stage: Stage) -> None:
    """Models of two groups in two environments; what is asked for is asked for here."""
    for slug in PLACES.values():
        world.environment(slug, "production", approvals=0)
    for at in PLACES:
        stage.callers[f"agent {at}"] = _agent(world, at)
    names = ("score", "flow", "glass", "broken")
    cards = {name: world.model(f"cards-{name}", group="cards") for name in names}
    ads = world.model("ads-score", group="ads")
    versions = [world.version(cards["score"]) for _ in range(4)]
    other = world.version(ads)
    for slug in PLACES.values():
        for version in (*versions[:2], other):
            world.champion(version, slug)
    flow, _, urgent = (world.version(cards[name]) for name in names[1:])
    # Bytes that only agents here are told to fetch.
    blobs.keep(json.dumps(urgent.manifest).encode(), actor=SET_UP)
    running = world.ask(flow, "production", PLACES["here"])  # Its agents never answer.
    for slug in PLACES.values():
        world.environment(slug, "production", **POLICY)
    asha, omar = (User.objects.get(username=name) for name in ("asha", "omar"))
    waiting = world.ask(versions[2], "production", PLACES["here"], by=asha, reason="because of x")
    broken = requests.break_glass(
        model=urgent.model.name,
        version=urgent.number,
        environment=PLACES["here"],
        reason="why",
        ticket="INC-6",
        user=omar,
        password=PASSWORD,
        actor=omar.actor,
    )
    stage.things |= {
        **PLACES,
        "model": cards["score"].name,
        "number": 3,
        "answering": 2,
        "champion_at": f'"environment":"{PLACES["here"]}"',
        "champion": Deployment.objects.get(
            version=versions[1], environment__slug=PLACES["here"]
        ).pk,
        "data": versions[2].dataset_uses.get().digest,
        "first": 1,
        "glass": cards["glass"].name,
        "request": waiting.pk,
        "content_hash": waiting.content_hash,
        "broken": broken.pk,
        "blob": f"sha256:{urgent.digest}",
        "rollout": Rollout.objects.get(request=running).pk,
        "digest": "sha256:" + hashlib.sha256(b"bytes").hexdigest(),
        "tier": "live",
        "promote": "promote",
        "now": timezone.now().isoformat().replace("+00:00", "Z"),
    }


def _rules(stage: Stage) -> None:
    ada = User.objects.get(username="ada")
    place = Environment.objects.get(slug=PLACES["here"])
    asked: Any = policy_requests.publish_or_ask(
        environment=place.slug,
        tier="",
        document={**POLICY, "approvals": 2},
        reason="why",
        actor=ada.actor,
    )
    holder = people.add_person(username="holder", person="holder", actor=SET_UP)
    binding = bindings.grant_role(
        to=holder, role="viewer", environment=place, group="cards", actor=SET_UP
    )
    # Past the look at the address, which would ask a name server.
    webhook = addresses._added("https://hooks.example/told", place, actor=SET_UP).webhook
    stage.things |= {
        "policy": Policy.objects.filter(environment=place).latest("number").number,
        "policy_request": asked.pk,
        "policy_hash": asked.content_hash,
        "binding": binding.pk,
        "webhook": webhook.pk,
        "delivery": webhook.deliveries.create(action="request.opened", body="{}").pk,
        "seq": Entry.objects.filter(environment=place.slug).latest("seq").seq,
    }


def _incidents(stage: Stage) -> None:
    for name, model in (("incident", "cards-score"), ("incident_of_all", "")):
        made = incidents.open_incident(
            environment=PLACES["here"],
            model=model,
            severity="major",
            title="Callers time out",
            actor=SET_UP,
        )
        stage.things[name] = made.pk


def _findings(world: World, stage: Stage) -> None:
    """Somebody else has recorded one; whoever reviews such models may close it."""
    rita = world.person("rita", "risk")
    made = findings.record_finding(
        model="cards-score",
        version=1,
        severity="low",
        title="Too few rows",
        owner="asha",
        due=timezone.now().date(),
        user=rita,
        actor=rita.actor,
    )
    stage.things |= {"finding": made.pk, "today": made.due.isoformat()}


def _erasures(world: World, stage: Stage) -> None:
    """One payload may be asked for, another one is and waits for somebody else."""
    first, second = Entry.objects.filter(action="request.opened").order_by("seq")[:2]
    gita = world.person("gita", "auditor")
    erasures.ask(seq=second.seq, reason="why", basis="GDPR", user=gita, actor=gita.actor)
    stage.things |= {"erasable": first.seq, "asked_to_go": second.seq}


def _fleet(stage: Stage) -> None:
    agent = Agent.objects.get(name=f"agent-{PLACES['here']}")
    stage.things |= {
        "agent": agent.pk,
        "agent_name": agent.name,
        "agent_token": agent.token_id,
        "target": agent.target_id,
    }
    stray = tokens.issue(name="stray", scope="agent", actor=SET_UP)
    stage.callers["stray agent"] = Caller("stray agent", kind="agent", secret=stray.secret)


def _agent(world: World, at: str) -> Caller:
    """Let an agent join that does at once what it is told."""
    name, slug = f"agent-{PLACES[at]}", PLACES[at]
    token = agents.issue_join_token(
        environment=slug, tier="live", uses=1, lifetime=timedelta(hours=1), actor=SET_UP
    )
    body = wire.Enrolment.model_validate({"join_token": token, "name": name})
    joined = agents.enrol(body=body)
    rig = Rig(joined.agent)
    rig.obey()
    world.rigs.append(rig)
    return Caller(f"agent {at}", scope=Scope(at, ""), kind="agent", secret=joined.secret)


def _callers(stage: Stage) -> None:
    """Every role in every place, services with all they may hold, and those who lost theirs."""
    for place, scope in SCOPES.items():
        for role in ROLES:
            name = f"{role}, {place}"
            stage.callers[name] = _signed_in(name, _person(name, scope, role), scope=scope)
    for place, name in SERVICES.items():
        stage.callers[name] = _service(name, SCOPES[place])


def _strangers(stage: Stage, named: Iterable[tuple[str, ...]]) -> None:
    """Those who are refused: for want of the right role, or of any that counts."""
    everywhere = SCOPES["everywhere"]
    for roles in named:
        name, others = all_but(roles), [role for role in ROLES if role not in roles]
        stage.callers[name] = _signed_in(name, _person(name, everywhere, *others), scope=everywhere)
    name = "superuser who lost all roles"
    lost = _person("lost", everywhere, *ROLES, is_staff=True, is_superuser=True)
    stage.callers[name] = replace(_signed_in(name, lost), roles=())
    for binding in RoleBinding.objects.filter(user=lost):
        bindings.revoke_role(binding_id=binding.pk, actor=SET_UP)
    ended = _person("ended", everywhere, *ROLES)
    stage.callers["disabled account"] = replace(
        _signed_in("disabled account", ended), kind="stranger"
    )
    people.disable_person(user_id=ended.pk, actor=SET_UP)
    stage.callers["not signed in"] = Caller("not signed in", kind="stranger")


def _person(name: str, scope: Scope, *roles: str, **fields: Any) -> User:
    username = name.replace(", ", ".").replace(" ", "-")
    user = people.add_person(
        username=username, person=username, password=PASSWORD, actor=SET_UP, **fields
    )
    for role in roles:
        _grant(user, role, scope)
    return user


def _service(name: str, scope: Scope) -> Caller:
    asha = User.objects.get(username="asha")
    issued = tokens.issue(name=name, scope="ci", owner=asha, actor=SET_UP)
    for role in SERVICE_ROLES:
        _grant(issued.token, role, scope)
    return Caller(name, roles=SERVICE_ROLES, scope=scope, kind="service", secret=issued.secret)


def _grant(to: User | ServiceToken, role: str, scope: Scope) -> None:
    slug = PLACES.get(scope.environment)
    place = Environment.objects.get(slug=slug) if slug else None
    bindings.grant_role(to=to, role=role, environment=place, group=scope.group, actor=SET_UP)


def _signed_in(name: str, user: User, *, scope: Scope | None = None) -> Caller:
    browser = Client()
    browser.force_login(user)
    token = tokens.issue(name="of the matrix", scope="personal", owner=user, actor=SET_UP)
    roles = tuple(RoleBinding.objects.filter(user=user).values_list("role", flat=True))
    return Caller(
        name,
        roles=roles,
        scope=scope,
        secret=token.secret,
        session=browser.cookies["sessionid"].value,
    )


def lose_history(stage: Stage) -> None:
    """Let the agents here be ahead of what is known of them."""
    Target.objects.filter(pk=stage.things["target"]).update(
        history_lost_at=timezone.now(), highest_seen=9_000
    )
