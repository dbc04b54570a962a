"""What callers send to the promotion API."""

from rest_framework import serializers

from governance.api import fields
from promotion.models import Approval, Finding, Incident, LiveReview, Review
from promotion.models.comments import LONGEST
from promotion.rules import KIND_BY_TARGET_STATE
from promotion.selectors.policies import MOST_TRIED
from promotion.services.requests import MOST_TOGETHER
from registry.models import RegisteredModel

NUMBER_LIMIT = 2**31 - 1


class PromotionIn(fields.Strict):
    """Where a version should go, and why."""

    model = fields.Slug()
    version = fields.Integer(min_value=1, max_value=NUMBER_LIMIT)
    environment = fields.Slug()
    to = fields.Choice(choices=sorted(KIND_BY_TARGET_STATE))
    reason = fields.Text()
    ticket = fields.Text(limit=200, blank=True, required=False, default="")


class ApprovalIn(fields.Strict):
    """A signature: for what, what it means, and who signs again with their password."""

    decision = fields.Choice(choices=Approval.Decision.values)
    meaning = fields.Choice(choices=Approval.Meaning.values)
    comment = fields.Text(blank=True, required=False, default="")
    content_hash = fields.Digest()
    password = serializers.CharField(max_length=200, trim_whitespace=False)


class SignatureIn(fields.Strict):
    """One of several requests, and the hash of what was shown of it."""

    id = fields.Id()
    content_hash = fields.Digest()


class TogetherIn(fields.Strict):
    """Signatures under several requests of one kind, given with one password."""

    # As a list it takes a length, which the library looks at first; its types do not say so.
    signatures = SignatureIn(
        many=True,
        allow_empty=False,
        max_length=MOST_TOGETHER,  # type: ignore[call-arg]
    )
    meaning = fields.Choice(choices=Approval.Meaning.values)
    comment = fields.Text(blank=True, required=False, default="")
    password = serializers.CharField(max_length=200, trim_whitespace=False)


class CommentIn(fields.Strict):
    """Something said about a request."""

    text = fields.Text(limit=LONGEST)


class ReasonIn(fields.Strict):
    """Why."""

    reason = fields.Text()


class PolicyIn(fields.Strict):
    """The rules an environment, or a risk tier in it, should have next."""

    risk_tier = fields.Choice(choices=RegisteredModel.Tier.choices, required=False, default="")
    document = serializers.DictField()
    reason = fields.Text(blank=True, required=False, default="")


class PolicyApprovalIn(fields.Strict):
    """A signature for or against a policy."""

    decision = fields.Choice(choices=Approval.Decision.values)
    comment = fields.Text(blank=True, required=False, default="")
    content_hash = fields.Digest()
    password = serializers.CharField(max_length=200, trim_whitespace=False)


class TriedRequestIn(fields.Strict):
    """A request that is not made."""

    model = fields.Slug()
    version = fields.Integer(min_value=1, max_value=NUMBER_LIMIT)
    to = fields.Choice(choices=sorted(KIND_BY_TARGET_STATE))


class TrialIn(PolicyIn):
    """Rules that nobody published, and what to judge by them."""

    last = fields.Integer(min_value=0, max_value=MOST_TRIED, required=False, default=50)
    request = TriedRequestIn(required=False, allow_null=True, default=None)


class BreakGlassIn(fields.Strict):
    """Which version, why, under which ticket, and who does it again with their password."""

    version = fields.Integer(min_value=1, max_value=NUMBER_LIMIT)
    reason = fields.Text()
    ticket = fields.Text(limit=200)
    password = serializers.CharField(max_length=200, trim_whitespace=False)


class ReviewIn(fields.Strict):
    """What a second person says of it, who signs with their password."""

    verdict = fields.Choice(choices=Review.Verdict.values)
    comment = fields.Text()
    password = serializers.CharField(max_length=200, trim_whitespace=False)


class WaiverIn(fields.Strict):
    """Which gate may pass where, why, and for how long."""

    environment = fields.Slug()
    gate = fields.Text(limit=40)
    reason = fields.Text()
    hours = fields.Number(min_value=0.01, max_value=8_760.0)


class IncidentIn(fields.Strict):
    """What is wrong, where, with which model, and how bad it is."""

    environment = fields.Slug()
    model = fields.Slug(required=False, default="")
    severity = fields.Choice(choices=Incident.Severity.values)
    title = fields.Text(limit=200)
    detail = fields.Text(blank=True, required=False, default="")


class FindingIn(fields.Strict):
    """What is held against a version, how bad it is, who sees to it, and by when."""

    severity = fields.Choice(choices=Finding.Severity.values)
    title = fields.Text(limit=200)
    text = fields.Text(blank=True, required=False, default="")
    owner = fields.Text(limit=150)
    due = fields.Day()
    blocks = fields.Truth(required=False, default=False)
    condition_of = fields.Id(required=False, allow_null=True, default=None)


class FindingResolutionIn(fields.Strict):
    """How a finding was resolved, and where that can be read."""

    resolution = fields.Text()
    evidence = fields.Text(limit=500, blank=True, required=False, default="")


class LiveReviewIn(fields.Strict):
    """Whether what answers may go on, and by when to look again."""

    outcome = fields.Choice(choices=LiveReview.Outcome.values)
    comment = fields.Text()
    next_by = fields.Day(required=False, allow_null=True, default=None)


class ResolutionIn(fields.Strict):
    """How an incident ended."""

    resolution = fields.Text()


class PlacementIn(fields.Strict):
    """Which agents take a model, how many a rollout needs, and why."""

    labels = serializers.DictField(required=False, default=dict)
    minimum = fields.Integer(min_value=1, max_value=10_000, allow_null=True, default=None)
    reason = fields.Text()


class RollbackIn(fields.Strict):
    """Why, and to which former champion; by default to the one before."""

    reason = fields.Text()
    to = fields.Integer(min_value=1, max_value=NUMBER_LIMIT, required=False, default=None)


class SpareIn(fields.Strict):
    """Which former champion answers when the champion fails, and why."""

    version = fields.Integer(min_value=1, max_value=NUMBER_LIMIT)
    reason = fields.Text()


class HistoryIn(fields.Strict):
    """Which history is right, and why."""

    decision = fields.Choice(choices=["adopt", "override"])
    reason = fields.Text()


class JoinTokenIn(fields.Strict):
    """For how many agents of which target, and for how long."""

    environment = fields.Slug()
    tier = fields.Choice(choices=["live", "dark"])
    uses = fields.Integer(min_value=1, max_value=10_000, required=False, default=1)
    hours = fields.Number(min_value=0.01, max_value=8_760.0, required=False, default=24.0)


class AnyObject(serializers.Serializer[object]):
    """An object described in the documentation rather than field by field."""
