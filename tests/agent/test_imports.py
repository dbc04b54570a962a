"""The agent needs its extra and nothing more, and no part of the control plane."""

import json
import subprocess
import sys

SCRIPT = r"""
import importlib, importlib.abc, importlib.metadata as md, json, pkgutil, re, sys

OTHERS = {"governance", "registry", "promotion", "lockgate"}

def name_of(text):
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", text).group()).lower()

def closure():
    from packaging.requirements import Requirement
    todo, seen = [("lockgate", frozenset({"agent"}))], set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            requires = md.requires(name) or []
        except md.PackageNotFoundError:
            continue
        for text in requires:
            requirement = Requirement(text)
            marker = requirement.marker
            envs = [{"extra": extra} for extra in extras] or [{"extra": ""}]
            if marker is None or any(marker.evaluate(env) for env in envs):
                todo.append((name_of(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in seen} - {"lockgate"}

allowed = closure()
owners = md.packages_distributions()

class Guard(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        top = fullname.partition(".")[0]
        owned = {name_of(owner) for owner in owners.get(top, [])}
        if top not in OTHERS and (top == "serving_agent" or not owned or owned & allowed):
            return None
        refused.append(fullname)
        raise ModuleNotFoundError(f"{fullname} is not of the agent's extra", name=fullname)

refused = []
import serving_agent
sys.meta_path.insert(0, Guard())
for module in pkgutil.walk_packages(serving_agent.__path__, "serving_agent."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
others = sorted(n for n in sys.modules if n.partition(".")[0] in OTHERS | {"django"})
print(json.dumps({"allowed": len(allowed), "others": others, "refused": refused,
                  "loaded": "serving_agent.agent" in sys.modules}))
"""


def test_every_module_loads_with_the_extra_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["loaded"]
    assert found["allowed"] > 15, "the closure was not found, so nothing was tested"
    assert found["others"] == []
