"""The admin shows everything to those who audit or administer, and edits nothing."""

import pytest

from governance.models import AccessLog, Environment, RoleBinding, ServiceToken, User
from governance.services import people, tokens
from governance.services.environments import define_environment

pytestmark = pytest.mark.django_db
TABLES = [
    "governance/user",
    "governance/servicetoken",
    "governance/rolebinding",
    "governance/environment",
    "governance/accesslog",
    "audit/entry",
]
PASSWORD = "a long enough phrase"


@pytest.fixture
def staff(client, ada, set_up):
    people.change_person(user_id=ada.id, actor=set_up, changes={"is_staff": True})
    people.set_password(user_id=ada.id, password=PASSWORD, actor=set_up)
    define_environment(slug="qa", kind="qa", actor=set_up)
    owner = User.objects.get(pk=ada.id)
    tokens.issue(name="laptop", scope="personal", owner=owner, actor=ada)
    AccessLog.objects.create(kind="log.read", principal="ada")
    client.force_login(owner)
    return client


def row_of(table):
    kinds = {
        "user": User,
        "servicetoken": ServiceToken,
        "rolebinding": RoleBinding,
        "environment": Environment,
        "accesslog": AccessLog,
    }
    kind = kinds.get(table.split("/")[1])
    return kind.objects.first().pk if kind else 1


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_shown_and_none_is_changed(staff, table, audit_trail):
    audit_trail.clear()
    row = f"/admin/{table}/{row_of(table)}"

    for path in (f"/admin/{table}/", f"/admin/{table}/?q=x", f"{row}/change/", f"{row}/history/"):
        assert staff.get(path).status_code == 200, path
    assert staff.get(f"/admin/{table}/add/").status_code == 403
    for path in (f"/admin/{table}/add/", f"{row}/change/", f"{row}/delete/"):
        assert staff.post(path, {"is_superuser": "on"}).status_code == 403, path
    bulk = {"action": "delete_selected", "_selected_action": row_of(table), "post": "yes"}
    assert staff.post(f"/admin/{table}/", bulk).status_code in {200, 302, 403}
    assert User.objects.filter(is_superuser=True).count() == 0
    assert audit_trail() == []


def test_no_secret_is_shown(staff):
    token, user = ServiceToken.objects.get(), User.objects.get()
    for table, row in (("servicetoken", token), ("user", user)):
        page = staff.get(f"/admin/governance/{table}/{row.pk}/change/").content.decode()
        assert token.sha256 not in page
        assert user.password not in page


def test_the_history_of_a_row_is_what_the_log_says(staff, ada):
    page = staff.get(f"/admin/governance/user/{ada.id}/history/").content.decode()
    for action in ("person.added", "person.changed", "role.granted"):
        assert action in page
    qa = Environment.objects.get()
    page = staff.get(f"/admin/governance/environment/{qa.pk}/history/").content.decode()
    assert "environment.defined" in page
    nobody = "00000000-0000-0000-0000-000000000000"
    assert staff.get(f"/admin/governance/user/{nobody}/history/").status_code == 404


def test_neither_a_superuser_nor_staff_without_a_role_looks(client, set_up):
    root = people.add_person(
        username="root", person="root", is_staff=True, is_superuser=True, actor=set_up
    )
    client.force_login(root)
    for table in TABLES:
        assert client.get(f"/admin/{table}/").status_code == 403
    assert client.get(f"/admin/governance/user/{root.pk}/history/").status_code == 403


def test_whoever_is_not_staff_stays_outside(client, asha):
    assert client.get("/admin/governance/user/").url.startswith("/admin/login/")
    assert client.get("/admin/login/?next=/admin/").url == "/sign-in/?next=/admin/"
    assert "evil" not in client.get("/admin/login/?next=//evil.example/").url
    client.force_login(User.objects.get(pk=asha.id))
    assert client.get("/admin/login/?next=/admin/").status_code == 403


def test_a_page_somebody_may_not_see_is_kept_in_the_access_log(client, make_person):
    client.force_login(make_person("eva"))
    assert client.get("/models/").status_code == 403
    line = AccessLog.objects.get(kind="request.forbidden")
    assert (line.principal, line.address) == ("eva", "127.0.0.1")
    assert line.detail.startswith("GET /models/")


def test_a_password_changed_in_the_admin_leaves_one_entry(staff, audit_trail):
    audit_trail.clear()
    new = "another long enough phrase"
    wrong = {"old_password": "x", "new_password1": new, "new_password2": new}
    assert staff.post("/admin/password_change/", wrong).status_code == 200
    assert audit_trail() == []

    right = {**wrong, "old_password": PASSWORD}
    answer = staff.post("/admin/password_change/", right)
    assert answer.url == "/admin/password_change/done/"
    assert audit_trail() == [("person.changed", "ada")]
    assert User.objects.get().check_password(new)
    assert staff.get(answer.url).status_code == 200, "this session goes on"


def test_the_admin_alone_has_a_looser_policy(staff):
    admin = staff.get("/admin/")["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in admin
    assert "style-src 'self' 'unsafe-inline'" in admin
    for path in ("/sign-in/", "/health/live", "/nothing"):
        assert "unsafe" not in staff.get(path)["Content-Security-Policy"]
