from pathlib import Path

from lockgate.cli.environments import read
from lockgate.demo.story.opening import RULES
from promotion.services.environments import EnvironmentDocument


def test_the_demos_rules_are_such_as_the_control_plane_takes():
    environments = {
        slug: EnvironmentDocument.model_validate(document) for slug, document in read(RULES).items()
    }

    assert environments.keys() == {"qa", "prod-eu"}
    production = environments["prod-eu"].policy
    assert (production.dark_first, production.through) == (True, ["qa"])


def test_the_rules_lie_beside_the_demo():
    assert Path(RULES).is_file()
