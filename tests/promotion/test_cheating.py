"""Each scripted way to cheat is named, by its own words, within the rounds its time stands for."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings as django_settings
from django.db import connection, connections, transaction

from governance import access, grants
from governance.audit import behind, walking
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.audit.sinks import open_sinks
from governance.sealing.log import connected
from governance.sealing.sealer import Sealer
from governance.sealing.settings import SealerConfig
from lockgate.demo.attacks import ATTACKS, By, Power
from lockgate.demo.attacks.attack import SECONDS
from promotion.selectors import abnormal, tampering
from promotion.services import watching
from registry.models import Inspection, ModelVersion, RegisteredModel, VersionFile
from registry.services import blobs
from serving_agent.own_files import OwnFiles
from serving_agent.settings import Settings as AgentSettings
from serving_agent.state import State
from tests.conftest import as_owner

pytestmark = pytest.mark.django_db(transaction=True)
EVERYTHING = access.Reach(frozenset({(None, "")}))
SEEN_FROM_OUTSIDE = {By.SINKS, By.SEALER}
"""Other connections see these: they are played to the end. The rest is rolled back."""
OF_SUPERUSER = "session_replication_role"
DATABASE = [attack for attack in ATTACKS if attack.power is Power.DATABASE]
TO_THE_END = [
    attack for attack in DATABASE if attack.by in SEEN_FROM_OUTSIDE or OF_SUPERUSER in attack.does
]
ELSEWHERE = [attack for attack in ATTACKS if attack.power is not Power.DATABASE]


@pytest.fixture
def store():
    """The artifact store's folder, with nobody else's bytes in it."""
    root = Path(django_settings.CONFIG.store_url.removeprefix("file://"))
    place, aside = root / "sha256", root / "sha256.aside"
    if place.exists():
        place.rename(aside)
    yield root
    shutil.rmtree(place, ignore_errors=True)
    if aside.exists():
        aside.rename(place)


@pytest.fixture
def sink(tmp_path):
    folder = tmp_path / "sink"
    folder.mkdir()
    return folder


@pytest.fixture
def seal(sink, tmp_path, settings):
    """Run a round of a sealer with its own role and key, whose sink and key we know."""
    connection_ = connections["default"]
    role = django_settings.CONFIG.sealer_role
    with as_owner(connection_):
        assert grants.grant_sealer(connection_, role=role)
    found = connection_.settings_dict
    url = f"postgresql://{role}@/{found['NAME']}?host={found['HOST']}&port={found['PORT'] or 5432}"
    sealer = Sealer(
        "lockgate.test/audit", [Ed25519PrivateKey.generate()], open_sinks(sink.as_uri())
    )
    keys = tmp_path / "keys.txt"
    keys.write_text(f"{sealer.verifiers()[0]}\n")
    changes = {"checkpoint_sinks": sink.as_uri(), "checkpoint_keys_file": keys}
    settings.CONFIG = settings.CONFIG.model_copy(update=changes)

    def once():
        with connected(url) as log:
            return sealer.round(log)

    yield once
    settings.CONFIG = settings.CONFIG.model_copy(update={"checkpoint_sinks": ""})
    behind.look()


@transaction.atomic
def genuine(number, set_up):
    """A version whose bytes lie in the store, recorded as the registry records it."""
    name = "credit-default"
    model = RegisteredModel.objects.filter(name=name).first()
    if model is None:
        model = RegisteredModel.objects.create(name=name, owner="risk team", purpose="a test")
        audit.record(
            Action.MODEL_REGISTERED,
            actor=set_up,
            object=f"model:{name}",
            subject=f"model:{model.pk}",
            model=name,
            details={"owner": model.owner, "purpose": model.purpose},
        )
    onnx = blobs.keep(b"onnx %d " % number * 1_000, actor=set_up)
    files = [{"path": "model.onnx", "role": "model", "sha256": onnx.pk, "size": onnx.size}]
    manifest = {
        "schema": "lockgate.manifest/1",
        "model": name,
        "kind": "onnx",
        "files": files,
        "score": {"threshold": 0.5},
        "number": number,
        "notes": "x" * 200,
    }
    raw = json.dumps(manifest, separators=(",", ":")).encode()
    version = ModelVersion.objects.create(
        model=model,
        number=number,
        digest=hashlib.sha256(raw).hexdigest(),
        manifest_blob=blobs.keep(raw, actor=set_up),
        manifest=manifest,
        authors=["asha"],
        registered_by="tests",
    )
    VersionFile.objects.create(version=version, path="model.onnx", role="model", blob=onnx)
    Inspection.objects.create(version=version, status=Inspection.Status.READY)
    audit.record(
        Action.VERSION_REGISTERED,
        actor=set_up,
        object=f"model:{name}",
        subject=f"version:{version.pk}",
        model=name,
        version=number,
        details={
            "digest": version.digest,
            "authors": version.authors,
            "files": [{"path": "model.onnx", "sha256": onnx.pk}],
        },
    )
    return version


@pytest.fixture
def live(store, world, ask, sign, asha, bram, ada, vera, set_up, seal):
    """A system where two versions were promoted, sealed and looked at: all is well."""
    world.agent("eu-1")
    for number in (1, 2):
        sign(ask(genuine(number, set_up), by=asha), bram)
        world.settle()
    assert seal().trouble == ""
    assert watching.look().found == []
    assert behind.look() is None
    return world


@pytest.fixture
def agent_home(tmp_path, live):
    """An agent's disk as an agent leaves it, and the part of the agent that looks at it."""
    home = tmp_path / "agent"
    state = State(home)
    state.open()
    (home / "blobs").mkdir()
    content = b"weights" * 1_000
    (home / "blobs" / hashlib.sha256(content).hexdigest()).write_bytes(content)
    (home / "state" / "envelope.json").write_bytes(b'{"payload": 1}')
    state._kept["envelope.json"] = b'{"payload": 1}'
    own_files = OwnFiles(home, state=state, tell=lambda: None, seconds=60)
    assert own_files.look() == []
    return home, own_files


@pytest.fixture
def superuser(superuser_url):
    """Whom a visitor is handed: the superuser's own connection, past the application."""
    if not superuser_url:
        pytest.skip("needs the superuser of the embedded server")
    name = connection.settings_dict["NAME"]
    with psycopg.connect(superuser_url, dbname=name, autocommit=True) as link:
        yield link


def alarms():
    return [alarm.what for alarm in abnormal.alarms(access.Sight([], EVERYTHING))]


def noticed(attack, seal, agents=()):
    """Let a round pass of each that takes part in noticing this; return what stands in the bar."""
    if attack.by is By.SINKS:
        behind.look()
    if attack.by is By.SEALER:
        seal()
    for own_files, rig in agents:
        changed = own_files.look()
        document = rig.desired()
        rig.say(document["generation"], rig.items(document), changed_on_disk=changed)
    watching.look()
    return [*alarms(), *(one.what for one in tampering.page().found)]


class Undone(Exception):
    """Ends an attack as if it had never been."""


def by_the_owner(statements):
    """Run what a visitor would paste, within the transaction that is there."""
    words = re.sub(r"^(BEGIN|COMMIT);$", "", statements, flags=re.MULTILINE)
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute(words)


def test_there_are_enough_ways_and_each_has_a_name_of_its_own():
    assert len(ATTACKS) >= 20
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


def test_what_the_databases_owner_does_is_named(live, seal):
    unnamed = {}
    for attack in DATABASE:
        if attack in TO_THE_END:
            continue
        with suppress(Undone), transaction.atomic():
            by_the_owner(attack.does)
            began = time.monotonic()
            bar = noticed(attack, seal)
            if not any(re.search(attack.names, what) for what in bar):
                unnamed[attack.name] = bar
            assert time.monotonic() - began < 10, attack.name
            raise Undone
        assert alarms() == [], attack.name
    assert unnamed == {}


@pytest.mark.parametrize("attack", TO_THE_END, ids=lambda attack: attack.name)
def test_what_he_does_is_named_when_others_look_too(attack, live, seal, superuser):
    superuser.execute(attack.does)
    bar = noticed(attack, seal)
    assert any(re.search(attack.names, what) for what in bar), bar


def test_what_puts_it_back_does(live, seal):
    for attack in (one for one in ATTACKS if one.undo):
        with suppress(Undone), transaction.atomic():
            by_the_owner(attack.does)
            by_the_owner(attack.undo)
            assert noticed(attack, seal) == [], attack.name
            raise Undone


def test_what_is_done_to_a_disk_is_named(live, seal, store, sink, agent_home, tmp_path):
    home, own_files = agent_home
    folders = {"SINK": sink, "STORE": store, "AGENT": home}
    environ = {**os.environ, **{name: str(folder) for name, folder in folders.items()}}
    unnamed = {}
    for attack in ELSEWHERE:
        for name, folder in folders.items():
            shutil.copytree(folder, tmp_path / name)
        subprocess.run(["sh", "-euc", attack.does], env=environ, check=True)
        bar = noticed(attack, seal, [(own_files, live.rigs[0])])
        if not any(re.search(attack.names, what) for what in bar):
            unnamed[attack.name] = bar
        for name, folder in folders.items():
            shutil.rmtree(folder)
            (tmp_path / name).rename(folder)
        assert noticed(attack, seal, [(own_files, live.rigs[0])]) == [], attack.name
    assert unnamed == {}


def test_an_idle_system_raises_nothing(live, seal):
    """Not even while work goes on in between."""
    for _ in range(5):
        live.settle()
        seal()
        assert watching.look().found == []
    assert alarms() == []
    assert not Entry.objects.filter(action__startswith="tampering.").exists()


def test_the_stated_times_are_those_of_the_rounds_as_installed():
    watch = type(django_settings.CONFIG).model_fields["watch_seconds"].default
    sealer = SealerConfig.model_fields["seconds"].default
    rehash = AgentSettings.model_fields["rehash_seconds"].default
    report = AgentSettings.model_fields["report_seconds"].default
    assert SECONDS[By.WATCH] >= watch
    assert SECONDS[By.SINKS] >= behind.LOOK_SECONDS
    assert SECONDS[By.SEALER] >= sealer + watch
    assert SECONDS[By.AGENT] >= rehash + report + watch


def test_a_change_of_state_in_replica_mode_is_refused_by_the_database(live, superuser):
    with pytest.raises(psycopg.errors.IntegrityError, match="has no audit entry"):
        superuser.execute(
            "SET session_replication_role = replica;"
            "UPDATE promotion_deployment SET role = 'bake' WHERE role = 'champion'"
        )


def test_what_was_noticed_stays_in_the_log_when_it_is_undone(live, superuser):
    [attack] = [one for one in ATTACKS if one.name == "disable-trigger"]
    superuser.execute(attack.does)
    first = watching.look()
    assert [each["area"] for each in first.found] == ["guard"]
    watching.look()
    superuser.execute(attack.undo)
    watching.look()
    assert alarms() == []
    told = Entry.objects.filter(action__startswith="tampering.").order_by("seq")
    assert [entry.action for entry in told] == ["tampering.noticed", "tampering.ended"]
    [past] = tampering.page().past
    assert past.entry == told[0].seq
    assert past.ended_at == told[1].at
    assert past.within is not None
    assert past.within < past.at - past.at.replace(year=2020)


def test_of_many_checkpoints_some_are_looked_at_in_each_round(live, seal, sink, monkeypatch):
    monkeypatch.setattr(walking, "SEALS", 2)
    for _ in range(4):
        live.agent(f"eu-{live.rigs[-1].agent.pk.hex[:6]}")
        seal()
    notes = sorted(sink.rglob("*.note"))
    assert len(notes) > 4
    notes[1].chmod(0o600)
    notes[1].write_text("forged")
    rounds = [[each["what"] for each in watching.look().found] for _ in range(9)]
    named = [f"{sink.as_uri()}: the checkpoint of {int(notes[1].stem)} entries was changed"]
    assert named in rounds[:4]
    assert rounds[-1] == rounds[-2] == named
    assert Entry.objects.filter(action="tampering.noticed").count() == 1
