"""Every page's path. All but signing in and out are guarded by ``frame.page``."""

from django.conf import settings
from django.urls import path

from promotion.views import (
    account,
    at_once,
    audit,
    breaking_glass,
    comments,
    door,
    environments,
    fleet,
    histories,
    incidents,
    lineage,
    models,
    past,
    placements,
    policies,
    promotions,
    proposing,
    steering,
    together,
    waivers,
)
from promotion.views.styleguide import styleguide

urlpatterns = [
    path("", environments.environments, name="environments"),
    path("abnormal/", environments.abnormal, name="abnormal"),
    path("sign-in/", door.sign_in, name="sign_in"),
    path("sign-out/", door.sign_out, name="sign_out"),
    path("account/password/", account.password, name="password"),
    path("models/", models.models, name="models"),
    path("models/<slug:name>/", models.model, name="model"),
    path("models/<slug:name>/versions/<int:number>/", models.version, name="version"),
    path("models/<slug:name>/versions/<int:number>/lineage/", lineage.report, name="lineage"),
    path("models/<slug:name>/versions/<int:number>/waive/", waivers.waive, name="waive"),
    path("promotions/", promotions.promotions, name="promotions"),
    path(
        "promotions/together/<slug:environment>/<slug:kind>/",
        together.sign_together,
        name="sign_together",
    ),
    path("promotions/<uuid:pk>/", promotions.promotion, name="promotion"),
    path("promotions/<uuid:pk>/progress/", promotions.progress, name="progress"),
    path("promotions/<uuid:pk>/sign/", promotions.sign, name="sign"),
    path("promotions/<uuid:pk>/comment/", comments.comment, name="comment"),
    path("promotions/<uuid:pk>/withdraw/", promotions.withdraw, name="withdraw"),
    path("rollouts/<uuid:pk>/pause/", steering.steer, {"verb": "pause"}, name="pause"),
    path("rollouts/<uuid:pk>/resume/", steering.steer, {"verb": "resume"}, name="resume"),
    path("rollouts/<uuid:pk>/abort/", steering.steer, {"verb": "abort"}, name="abort"),
    path(
        "environments/<slug:environment>/models/<slug:name>/roll-back/",
        at_once.roll_back,
        name="roll_back",
    ),
    path(
        "environments/<slug:environment>/models/<slug:name>/stop/",
        at_once.stop,
        name="stop",
    ),
    path(
        "environments/<slug:environment>/models/<slug:name>/placement/",
        placements.place,
        name="place",
    ),
    path("policies/", policies.policies, name="policies"),
    path("policies/requests/<uuid:pk>/", policies.policy_request, name="policy_request"),
    path(
        "policies/requests/<uuid:pk>/comment/",
        comments.comment_on_policy,
        name="comment_on_policy",
    ),
    path(
        "policies/requests/<uuid:pk>/withdraw/",
        proposing.withdraw,
        name="withdraw_policy_request",
    ),
    path("policies/<slug:environment>/propose/", proposing.propose, name="propose_policy"),
    path("policies/<slug:environment>/<int:number>/", policies.policy, name="policy"),
    path("policies/<slug:environment>/<int:number>/try/", policies.attempt, name="try_policy"),
    path("environments/<slug:environment>/as-of/", past.as_of, name="as_of"),
    path("promotions/<uuid:pk>/review/", breaking_glass.review, name="review"),
    path(
        "environments/<slug:environment>/models/<slug:name>/versions/<int:number>/break-glass/",
        breaking_glass.break_glass,
        name="break_glass",
    ),
    path("incidents/", incidents.incidents, name="incidents"),
    path("incidents/open/", incidents.open_one, name="open_incident"),
    path("incidents/<uuid:pk>/close/", incidents.close, name="close_incident"),
    path("audit/", audit.audit, name="audit"),
    path("audit/history/", audit.history, name="log_history"),
    path("fleet/", fleet.fleet, name="fleet"),
    path("fleet/targets/<uuid:pk>/history/", histories.history, name="history"),
    path("fleet/<uuid:pk>/cordon/", fleet.cordon, name="cordon"),
    path("fleet/<uuid:pk>/evict/", fleet.evict, name="evict"),
    path("fleet/<uuid:pk>/decommission/", fleet.decommission, name="decommission"),
]
if settings.DEBUG:
    urlpatterns.append(path("styleguide/", styleguide, name="styleguide"))
