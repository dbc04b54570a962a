import json
import os

import pytest

from lockgate.demo import homes
from lockgate.demo.errors import StoryError


def test_a_home_is_emptied_when_the_demo_made_it(tmp_path):
    home = tmp_path / "home"
    with homes.fresh(home) as first:
        (first / "run").mkdir()
        (first / "old").write_text("old")

    with homes.fresh(home) as second:
        assert second == first
        assert [path.name for path in second.iterdir()] == [homes.MARKER]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "precious").write_text("data")

    with pytest.raises(StoryError, match="is not the demo's"), homes.fresh(tmp_path):
        pass

    assert (tmp_path / "precious").read_text() == "data"


def test_two_demos_never_share_a_home(tmp_path):
    with (
        homes.fresh(tmp_path / "home"),
        pytest.raises(StoryError, match="runs already"),
        homes.fresh(tmp_path / "home"),
    ):
        pass


def test_the_second_demo_takes_the_next_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with homes.fresh(None) as first, homes.fresh(None) as second:
        assert (first.name, second.name) == ("story", "story-2")


def test_a_system_that_still_runs_there_is_not_wiped(tmp_path):
    home = tmp_path / "home"
    with homes.fresh(home):
        (home / "run").mkdir()
        standing = {"pid": os.getpid(), "url": "http://127.0.0.1:8000"}
        (home / "run" / "up.json").write_text(json.dumps(standing))

    with pytest.raises(StoryError, match="stop it first"), homes.fresh(home):
        pass


def test_a_folder_outside_goes_with_the_home_if_it_is_in_the_temporary_folder(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    home, database = tmp_path / "home", tmp_path / "tmp" / "lockgate-0-abc"
    database.mkdir(parents=True)
    with homes.fresh(home):
        homes.note_elsewhere(home, home / "postgres")
        assert (home / homes.MARKER).read_text() == "[]"
        homes.note_elsewhere(home, database)

    with homes.fresh(home):
        assert not database.exists()
