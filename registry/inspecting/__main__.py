"""``python -m registry.inspecting FOLDER MODEL MEMORY CPU``: one JSON object on standard output.

FOLDER holds ``manifest.json``, ``model`` and ``golden.json``. The limits come first:
nothing of a stranger is read before they hold.
"""

import json
import sys
from pathlib import Path

from registry.inspecting.limits import Limits

OUT_OF_MEMORY = 3


def main(folder: str, model: str, memory: str, cpu: str) -> int:
    """Inspect, print what was found, and return the exit code."""
    Limits(memory=int(memory), cpu=int(cpu), wall=0).impose()
    try:
        _inspect(Path(folder), model=model)
    except MemoryError:
        return OUT_OF_MEMORY
    return 0


def _inspect(folder: Path, *, model: str) -> None:
    # Imported under the limits: these bring the parsers.
    from registry import manifests  # noqa: PLC0415
    from registry.inspecting.version import Inspected, inspect  # noqa: PLC0415

    manifest = manifests.parse((folder / "manifest.json").read_bytes(), model=model)
    findings = inspect(Inspected(manifest, folder / "model", folder / "golden.json"))
    answer = {"reasons": findings.reasons, "facts": findings.facts}
    sys.stdout.write(json.dumps(answer, allow_nan=False))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
