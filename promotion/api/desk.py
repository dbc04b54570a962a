"""The auditor's desk over HTTP: the same lists as its pages, as JSON or as files."""

from collections.abc import Callable
from typing import Any

from django.http import FileResponse, HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance import access
from governance.access import Permission
from governance.api import parsing
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.api.fields import Strict
from governance.audit import checkpoints, sampling, stretches
from governance.audit import population as populations
from governance.exports import Listing
from governance.services import access_digests, access_log
from promotion import desk
from promotion.api.negotiation import AnyAccept
from promotion.selectors import listings, owed, rights, samples, segregation
from promotion.services import proofs

ZIP = "application/zip"
FILE = {(200, "application/zip"): OpenApiTypes.BINARY}
LISTED = {
    (200, "application/json"): OpenApiTypes.OBJECT,
    (200, "text/csv"): OpenApiTypes.STR,
}


def _parameters(*names: str) -> list[OpenApiParameter]:
    return [OpenApiParameter(name) for name in (*names, "as")]


def _asked(request: Request, *names: str) -> dict[str, str]:
    """Let an auditor in, note it, and read what is asked."""
    access.require(actor_of(request), Permission.AUDIT)
    asked = parsing.query(request, *names, "as")
    desk.form(asked)
    _note(request, request.get_full_path())
    return asked


def _note(request: Request, detail: str) -> None:
    reader = actor_of(request).label
    access_log.note_reading(request._request, reader=reader, detail=detail)  # noqa: SLF001


def _answer(asked: dict[str, str], listing: Callable[[], Listing]) -> HttpResponse | Response:
    form = desk.form(asked)
    return listing().as_file(form) if form else Response(listing().document())


class DeskView(ApiView):
    """Answers in the form that ``as`` names, or in the one there is: ``Accept`` chooses nothing."""

    content_negotiation_class = AnyAccept


class PopulationView(DeskView):
    @extend_schema(
        operation_id="audit_population",
        parameters=_parameters(*desk.PERIOD, "size"),
        responses=LISTED,
    )
    def get(self, request: Request) -> HttpResponse | Response:
        """Count all changes of a period by type, and tell whether any is missing."""
        asked, now = _asked(request, *desk.PERIOD, "size"), timezone.now()
        period, size = desk.period(asked, now=now), desk.number(asked, "size")
        found = populations.population(period, now=now, size=size)
        return _answer(asked, lambda: listings.population(found))


class SamplesView(DeskView):
    @extend_schema(
        operation_id="audit_sample", parameters=_parameters(*desk.SAMPLE), responses=LISTED
    )
    def get(self, request: Request) -> HttpResponse | Response:
        """Draw a sample of changes; without a seed, by one that nobody chose."""
        found = _sample(request)
        asked = request.query_params.dict()
        return _answer(asked, lambda: listings.sample(found.drawn, found.events))


class PacksView(DeskView):
    @extend_schema(
        operation_id="audit_sample_bundle", parameters=_parameters(*desk.SAMPLE), responses=FILE
    )
    def get(self, request: Request) -> FileResponse:
        """Send the bundle of a sample: the changes drawn, each with what belongs to it."""
        found = _sample(request)
        return _zip(proofs.made(samples.packs(found.drawn)), "lockgate-sample.zip")


class RightsView(DeskView):
    @extend_schema(
        operation_id="audit_rights", parameters=_parameters(*desk.RIGHTS), responses=LISTED
    )
    def get(self, request: Request) -> HttpResponse | Response:
        """Tell who could do what at a moment, from the log's grants and revocations."""
        asked = _asked(request, *desk.RIGHTS)
        found = rights.rights_at(
            desk.moment(asked, now=timezone.now()),
            person=desk.text(asked, "person"),
            environment=desk.text(asked, "environment"),
            permission=desk.permission(asked),
        )
        return _answer(asked, lambda: listings.rights(found))


class DutiesView(DeskView):
    @extend_schema(
        operation_id="audit_duties", parameters=_parameters(*desk.DUTIES), responses=LISTED
    )
    def get(self, request: Request) -> HttpResponse | Response:
        """Tell who asked, made, signed and carried out the same change."""
        asked = _asked(request, *desk.DUTIES)
        period = desk.period(asked, now=timezone.now())
        found = segregation.segregation(period, person=desk.text(asked, "person"))
        return _answer(asked, lambda: listings.segregation(found))


class OwedView(DeskView):
    @extend_schema(operation_id="audit_owed", parameters=_parameters(), responses=LISTED)
    def get(self, request: Request) -> HttpResponse | Response:
        """List reviews of broken glass that are owed, and waivers that end soon or have ended."""
        asked = _asked(request)
        return _answer(asked, lambda: listings.owed(owed.due(now=timezone.now())))


class SealingView(ApiView):
    @extend_schema(
        operation_id="audit_sealing",
        parameters=_parameters(),
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:
        """Tell how far the log is sealed, what each sink has, and how far the access log is."""
        _asked(request)
        now, found = timezone.now(), checkpoints.sealing()
        return Response(
            {
                "entries": found.head,
                "sealed": found.sealed,
                "sealed_at": found.sealed_at,
                "waiting": found.waiting,
                "waiting_since": found.waiting_since,
                "late": found.is_late(now),
                "refused": found.refused or None,
                "sinks": found.said.get("sinks", []),
                "access_log_sealed_until": access_digests.sealed_until(),
            }
        )


class VerificationIn(Strict):
    first = serializers.IntegerField(min_value=1, max_value=desk.LARGEST, default=1)


class VerificationView(ApiView):
    @extend_schema(
        operation_id="audit_verification",
        request=VerificationIn,
        responses={200: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Check the log from an entry on, for a few seconds; ``next`` says where to go on."""
        access.require(actor_of(request), Permission.AUDIT)
        body = VerificationIn(data=request.data)
        body.is_valid(raise_exception=True)
        _note(request, request.get_full_path())
        return Response(_said(stretches.check(body.validated_data["first"])))


class BundleView(DeskView):
    @extend_schema(
        operation_id="audit_bundle", parameters=_parameters("object", "since"), responses=FILE
    )
    def get(self, request: Request) -> FileResponse:
        """Send the bundle of the whole log, or of one object, up to the newest checkpoint."""
        asked = _asked(request, "object", "since")
        name, since = desk.text(asked, "object"), desk.number(asked, "since") or 0
        return _zip(
            proofs.of_log(objects=[name] if name else [], since=since), "lockgate-audit.zip"
        )


def _sample(request: Request) -> samples.Sample:
    """Draw; a seed that nobody gave is noted too, so that each draw is known by its own."""
    asked = _asked(request, *desk.SAMPLE)
    of = desk.population(asked, size=samples.limit(), now=timezone.now())
    seed, wanted = desk.seed(asked), desk.sample_size(asked)
    if not seed:
        seed = sampling.fresh_seed()
        _note(request, f"seed={seed}")
    return samples.sample(of, seed=seed, wanted=wanted)


def _said(checked: stretches.Checked) -> dict[str, Any]:
    compared = access_digests.compare()
    return {
        "whole": checked.is_whole and not compared.wrong,
        "first": checked.first,
        "last": checked.last,
        "entries": checked.entries,
        "log_entries": checked.head,
        "next": checked.next,
        "seconds": round(checked.seconds, 3),
        "erased": checked.erased,
        "blocks": checked.blocks,
        "checkpoints": checked.checkpoints,
        "signatures": checked.signatures,
        "guards": checked.guards,
        "access_log": {
            "digests": compared.digests,
            "lines": compared.lines,
            "sealed_until": compared.sealed_until,
            "wrong": list(compared.wrong),
        },
        "findings": [
            {"area": one.area, "entry": one.seq, "reason": one.reason} for one in checked.findings
        ],
        "more_findings": checked.report.more,
    }


def _zip(file: Any, name: str) -> FileResponse:
    return FileResponse(file, as_attachment=True, filename=name, content_type=ZIP)
