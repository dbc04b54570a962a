from pathlib import Path

from lockgate.cli.environments import read
from lockgate.demo.story import canary
from lockgate.demo.story.opening import RULES
from promotion.services.environments import EnvironmentDocument
from promotion.stages import before_all


def test_the_demos_rules_are_such_as_the_control_plane_takes():
    environments = {
        slug: EnvironmentDocument.model_validate(document) for slug, document in read(RULES).items()
    }

    assert environments.keys() == {"qa", "prod-eu"}
    production = environments["prod-eu"].policy
    assert (production.dark_first, production.through) == (True, ["qa"])
    (stage,) = before_all(production.stages)
    assert stage.switch([], salt="s")["weight"] == canary.SHARE


def test_the_rules_lie_beside_the_demo():
    assert Path(RULES).is_file()
