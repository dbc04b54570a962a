"""Commands on the server go through the services and can be repeated."""

import json
import stat
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from governance.audit.models import Entry
from governance.config import Config
from governance.models import RoleBinding, User
from governance.services import tokens
from governance.services.sign_in import check

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(tmp_path, settings):
    changed: Config = settings.CONFIG.model_copy(update={"lockgate_home": tmp_path})
    settings.CONFIG = changed
    return tmp_path


def call(name, *args):
    out = StringIO()
    call_command(name, *args, stdout=out)
    return out.getvalue()


def test_the_demos_people_get_in(home):
    people = json.loads(call("demo_people"))

    assert list(people) == ["asha", "bram", "cleo", "dina", "omar", "ada", "ci"]
    for name, access in people.items():
        token = tokens.authenticate(access["token"])
        if name == "ci":
            assert (token.scope, token.owner.username) == ("ci", "asha")
            roles = RoleBinding.objects.filter(token=token)
        else:
            assert check(username=name, password=access["password"], address=None) == token.owner
            roles = RoleBinding.objects.filter(user=token.owner)
        assert sorted(roles.values_list("role", flat=True)) == sorted(access["roles"])
    file = home / "demo" / "people.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_second_run_changes_nothing(home):
    first = call("demo_people")
    entries = Entry.objects.count()
    assert call("demo_people") == first
    assert Entry.objects.count() == entries


def test_a_second_run_replaces_what_is_gone(home):
    first = json.loads(call("demo_people"))
    bram = User.objects.get(username="bram")
    tokens.revoke(token_id=tokens.authenticate(first["bram"]["token"]).pk, actor=bram.actor)

    second = json.loads(call("demo_people"))
    assert tokens.authenticate(second["bram"]["token"]).owner == bram
    assert {**second, "bram": None} == {**first, "bram": None}


def test_a_token_is_printed_once(make_person):
    make_person("eva")
    secret = call("issue_token", "eva", "--name", "laptop", "--days", "1").strip()
    assert tokens.authenticate(secret).name == "laptop"


@pytest.mark.parametrize("args", [["nobody"], ["eva", "--days", "0"], ["eva", "--name", ""]])
def test_a_mistake_is_one_line(make_person, args):
    make_person("eva")
    with pytest.raises(CommandError) as error:
        call("issue_token", *args)
    assert "\n" not in str(error.value)


def test_changing_a_password_is_recorded(make_person, monkeypatch, audit_trail):
    make_person("eva")
    monkeypatch.setattr(
        "governance.management.commands.changepassword.getpass", lambda *_: "a long enough phrase"
    )
    call("changepassword", "eva")
    assert check(username="eva", password="a long enough phrase", address=None)
    assert audit_trail() == [("person.changed", "manage.changepassword")]
