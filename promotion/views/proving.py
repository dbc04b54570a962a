"""Pages that prove the log: checked here in bounded time, or taken away and checked elsewhere."""

import hashlib
from contextlib import suppress

from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from governance import signing
from governance.audit import bundles, checkpoints, stretches
from governance.audit.verify import GUARDS
from governance.errors import Conflict, GovernanceError
from governance.services import access_digests
from promotion import desk
from promotion.selectors import samples
from promotion.services import proofs
from promotion.views.auditing import asked_of, noted
from promotion.views.frame import framed, page, text_of

ZIP = "application/zip"


@require_http_methods(["GET", "POST"])
@page
def verification(request: HttpRequest) -> HttpResponse:
    """Check the log, as far as a few seconds go, and say in plain words what was checked."""
    asked_of(request)
    checked, compared, error = None, None, None
    if request.method == "POST":
        form = {"first": text_of(request.POST, "first")}
        noted(request, "verify", {name: text for name, text in form.items() if text})
        try:
            checked = stretches.check(desk.number(form, "first") or 1)
            compared = access_digests.compare()
        except GovernanceError as refusal:
            error = refusal
    context = {
        "nav": "audit",
        "tab": "verify",
        "checked": checked,
        "compared": compared,
        "sealing": checkpoints.sealing(),
        "guards": len(GUARDS),
        "keys": _keys(),
        "verifier": hashlib.sha256(bundles.VERIFIER.read_bytes()).hexdigest(),
        "most": proofs.MOST_ENTRIES,
        "seconds": stretches.SECONDS,
    }
    return framed(request, "audit/verify.html", context, error=error)


@require_GET
@page
def bundle(request: HttpRequest) -> FileResponse:
    """Send the bundle of the whole log, or of one object."""
    asked = asked_of(request, "object", "since")
    name, since = desk.text(asked, "object"), desk.number(asked, "since") or 0
    file = proofs.of_log(objects=[name] if name else [], since=since)
    noted(request, "bundle", asked)
    return FileResponse(file, as_attachment=True, filename="lockgate-audit.zip", content_type=ZIP)


@require_GET
@page
def packs(request: HttpRequest) -> FileResponse:
    """Send the bundle of a sample: the changes that were drawn, each with what belongs to it."""
    asked = asked_of(request, *desk.SAMPLE)
    of = desk.population(asked, size=samples.limit(), now=timezone.now())
    found = samples.sample(of, seed=desk.given_seed(asked), wanted=desk.sample_size(asked))
    file = proofs.made(samples.packs(found.drawn))
    noted(request, "sample bundle", asked)
    return FileResponse(file, as_attachment=True, filename="lockgate-sample.zip", content_type=ZIP)


def _keys() -> list[dict[str, str]]:
    """The public keys a bundle is checked with, each with its fingerprint."""
    found = [("the sealer, which signs checkpoints", key) for key in stretches.trusted()]
    with suppress(Conflict):  # Nothing is sealed yet, so the log has no name.
        found += [
            ("the control plane, which signs bundles", k) for k in bundles.verifier_of_bundles()
        ]
    return [
        {"whose": whose, "line": str(key), "fingerprint": signing.fingerprint(key.public)}
        for whose, key in found
    ]
