"""What an agent itself says: which versions it has loaded, and the memory it takes."""

import httpx

from lockgate.demo.errors import StoryError

RESIDENT = "lockgate_agent_resident_bytes "


def loaded_versions(url: str, model: str) -> list[int]:
    """Ask which versions of a model an agent has loaded."""
    reply = httpx.get(f"{url}/v2/models/{model}", timeout=10.0, trust_env=False)
    reply.raise_for_status()
    return sorted(int(version) for version in reply.json()["versions"])


def resident_bytes(url: str) -> int:
    """Ask how much memory an agent takes."""
    reply = httpx.get(f"{url}/metrics", timeout=10.0, trust_env=False)
    for line in reply.text.splitlines():
        if line.startswith(RESIDENT):
            return int(float(line.removeprefix(RESIDENT)))
    raise StoryError(f"{url}/metrics does not tell the memory")
