"""The end: what an auditor takes away, and a version that waits for the visitor."""

import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import httpx

from lockgate import checkup
from lockgate.demo.errors import StoryError
from lockgate.demo.packing import MODEL
from lockgate.demo.people import AUDITOR, OPERATOR, RISK, SECOND_APPROVER
from lockgate.demo.story.stage import PATIENCE, PROD, Stage, expect
from lockgate.demo.story.successor import compare
from lockgate.demo.training import NEXT


def take_away(stage: Stage) -> None:
    """Write the lineage report of version 2 to a file, and verify the whole audit log."""
    report = stage.people.client(AUDITOR).lineage(MODEL, 2)
    file = stage.reports / f"lineage-{MODEL}-2.json"
    file.write_text(json.dumps(report, indent=1))
    signed = {signature["name"] for signature in signatures(report)}
    if not any(SECOND_APPROVER in name.lower() for name in signed):
        raise StoryError(f"{file} does not name {SECOND_APPROVER}, who approved: {signed}")
    page = file.with_suffix(".html")
    page.write_text(_lineage(stage, "text/html").text)
    stage.tell.say(f"lineage report of version 2, signed for by {', '.join(signed)}: {page}")
    stage.tell.say(stage.system.lockgate("audit", "verify").strip().splitlines()[-1])
    prove(stage, size=_size(report))
    examine(stage)


def prove(stage: Stage, *, size: int) -> None:
    """Take log and report away as bundles; the verifier, alone in a folder, proves both.

    Both end with what is sealed, so the sealer's next round is waited for: ``size`` entries.
    """
    bundle, deadline = stage.reports / "audit.zip", time.monotonic() + PATIENCE
    while (sealed := _take(stage, bundle)) < size:
        if time.monotonic() > deadline:
            raise StoryError(f"{sealed} of {size} entries of the audit log are sealed")
        time.sleep(1.0)
    keys = stage.reports / "keys.txt"
    keys.write_text(stage.system.lockgate("audit", "keys"))
    said = _proven(bundle, keys)
    stage.tell.say(f"the log as a bundle, checked with nothing but Python: {bundle}")
    stage.tell.say(said)
    report = stage.reports / f"lineage-{MODEL}-2.zip"
    report.write_bytes(_lineage(stage, "application/zip").content)
    said = _proven(report, keys)
    stage.tell.say(f"the report of version 2 as a bundle, each fact by its entry: {report}")
    stage.tell.say(said)


def _take(stage: Stage, bundle: Path) -> int:
    """Take away what is sealed of the log, and say how many entries that is."""
    bundle.unlink(missing_ok=True)
    try:
        stage.system.lockgate("audit", "bundle", str(bundle))
    except StoryError:  # Nothing is sealed yet.
        return 0
    with zipfile.ZipFile(bundle) as archive:
        return int(json.loads(archive.read("bundle.json"))["size"])


def _proven(bundle: Path, keys: Path) -> str:
    """Copy the verifier out of a bundle into an empty folder, and let it alone decide."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(bundle) as archive:
            verifier = archive.extract("verify.py", folder)
        command = [sys.executable, "-I", "-S", verifier, "--keys", str(keys), str(bundle)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoryError(f"{bundle} is not proven: {done.stdout}{done.stderr}")
    return done.stdout.strip().splitlines()[0]


def examine(stage: Stage) -> None:
    """Let the operator's doctor look at everything; it may take a worker's next sweep."""
    token, deadline = stage.people[OPERATOR].token, time.monotonic() + PATIENCE
    while True:
        checks = list(checkup.examine(stage.system.url, token))
        ill = [f"{check.name}: {check.found}" for check in checks if check.verdict != "ok"]
        if not ill or time.monotonic() > deadline:
            break
        time.sleep(1.0)
    if ill:
        raise StoryError(f"lockgate doctor finds {'; '.join(ill)}")
    stage.tell.say(f"lockgate doctor: all {len(checks)} checks are well")


def _lineage(stage: Stage, form: str) -> httpx.Response:
    """Fetch the report of version 2 in another form than JSON."""
    token = stage.people[AUDITOR].token
    reply = httpx.get(
        f"{stage.system.url}/api/v1/models/{MODEL}/versions/2/lineage",
        headers={"Authorization": f"Bearer {token}", "Accept": form},
        timeout=30.0,
        trust_env=False,
    )
    return reply.raise_for_status()


def _size(report: dict[str, object]) -> int:
    """Say how many entries the log had when a lineage report was made."""
    body = report["body"]
    if not isinstance(body, dict):
        raise StoryError("the lineage report has no body")
    return int(body["header"]["log"]["size"])


def signatures(report: dict[str, object]) -> list[dict[str, str]]:
    """List the signatures a lineage report tells of."""
    body = report["body"]
    if not isinstance(body, dict):
        raise StoryError("the lineage report has no body")
    requests = body["lifecycle"]["requests"]
    return [each for request in requests for each in request["approvals"]]


def next_version(stage: Stage) -> None:
    """Take a fourth version as far as a person has to decide."""
    version = stage.register(stage.train(NEXT))
    stage.promote_in_qa(version.number)
    stage.darken(version.number)
    compare(stage, version.number)
    request = stage.ask(version.number, PROD, to="production", reason="Retrained; your decision")
    stage.approve(request, by=RISK, comment="Small steps, small risk.")
    request = stage.people.client(AUDITOR).promotion(request["id"])
    expect(request["state"], "open", what="the last request")
    stage.waiting = request["id"]
    page = f"{stage.system.url}/promotions/{stage.waiting}/"
    stage.tell.say(
        f"version {version.number} has {RISK}'s signature and waits for one more: {page}"
    )
