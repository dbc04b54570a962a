"""The rows of the matrix: who may call what, where. One line for each route and method.

To add one, write the call as the failing test prints it, who may, and what to send:

    row("POST api/v1/agents/<uuid:pk>/cordon", OPERATOR.here(), pk="agent", body=REASON),

- Who: a role, and how far it must reach (``matrix.Reach``). Where everybody with a role is
  answered but finds only what is theirs, name what those who may must find and others
  must not: ``row("GET fleet/", VIEWER.in_place(), finds="agent_name")``.
- ``pk="agent"``: what stands in the address, and ``{agent}`` in the body, by its name in
  ``world.py``. ``Row.DEFAULTS`` has what most addresses mean.
- ``then=409``: what those who may are answered, where it is not success. Choose a body that
  reaches the service: a 400 told before anybody asks who calls proves nothing.
- ``owner="asha"``: who it belongs to, in ``world.py``, may as well, or alone.
- ``given``: something done to the world before the call, and undone after it.

``docs/access.md`` shows the same as a table; to write it anew:
``LOCKGATE_RATCHET=write pytest tests/access/test_document.py``.
"""

from tests.access.matrix import (
    ACCOUNT,
    ADMIN,
    AGENT,
    APPROVER,
    AUDITOR,
    OPEN,
    OPERATOR,
    OWNER,
    PERSON,
    PUBLIC,
    RISK,
    SPEAKER,
    SUBMITTER,
    VIEWER,
    Row,
    row,
)
from tests.access.world import POLICY as POLICY_HERE
from tests.access.world import lose_history

REASON = {"reason": "a reason"}
PASSWORD = "{password}"
ASK = {"model": "{model}", "version": 4, "environment": "{here}", "to": "dark", "reason": "why"}
SAY = {"text": "said"}
INCIDENT = {
    "environment": "{here}",
    "model": "{model}",
    "severity": "major",
    "title": "Callers time out",
}
FINDING = {"severity": "high", "title": "Scores drift", "owner": "asha", "due": "{today}"}
LIVE_REVIEW = {"outcome": "continue", "comment": "read it"}
SIGN = {"decision": "approve", "meaning": "approval", "password": PASSWORD}
SIGNED = {**SIGN, "content_hash": "{content_hash}"}
SIGN_POLICY = {
    "decision": "approve",
    "password": PASSWORD,
    "content_hash": "{policy_hash}",
}
GLASS = {"version": 1, "reason": "why", "ticket": "INC-7", "password": PASSWORD}
REVIEW = {"verdict": "justified", "comment": "read it", "password": PASSWORD}
WAIVE = {"gate": "latency", "environment": "{here}", "reason": "why", "hours": 2}
ERASE = {"reason": "somebody asked", "basis": "GDPR Art. 17"}
HISTORY = {"decision": "override", "reason": "why"}
POLICY = {"document": {"approvals": 2}, "reason": "why"}
PAGE_POLICY = {"document": "approvals: 2"}

API: tuple[Row, ...] = (
    row("GET api/schema", OPEN),
    row("GET health/live", OPEN),
    row("GET health/ready", OPEN),
    row("GET metrics", PUBLIC),
    # People, roles, tokens, the log
    row("GET api/v1/me", ACCOUNT),
    row("GET api/v1/people", (ADMIN | AUDITOR).everywhere()),
    row(
        "GET api/v1/people/<str:username>",
        (ADMIN | AUDITOR).everywhere(),
        owner="asha",
        username="asha",
    ),
    row("PUT api/v1/people/<str:username>", ADMIN.everywhere(), username="new", body={}, then=201),
    row(
        "PUT api/v1/people/<str:username>",
        ADMIN.everywhere(),
        owner="asha",
        username="asha",
        body={"first_name": "Asha"},
    ),
    row(
        "POST api/v1/people/<str:username>/roles",
        ADMIN.here(),
        username="asha",
        body={"role": "viewer", "environment": "{here}"},
    ),
    row(
        "POST api/v1/people/<str:username>/roles",
        ADMIN.everywhere(),
        username="asha",
        body={"role": "viewer"},
    ),
    row("DELETE api/v1/roles/<uuid:binding_id>", ADMIN.here(), binding_id="binding"),
    row("GET api/v1/tokens", PERSON),
    row("POST api/v1/tokens", PERSON, body={"name": "mine"}),
    row("DELETE api/v1/tokens/<uuid:token_id>", ADMIN.everywhere(), owner="asha", token_id="token"),
    row(
        "DELETE api/v1/tokens/<uuid:token_id>",
        OPERATOR.everywhere(),
        owner="agent here",
        token_id="agent_token",
    ),
    row("GET api/v1/audit/entries", AUDITOR.everywhere()),
    row("GET api/v1/audit/entries", AUDITOR.here(), query="environment={here}"),
    row("GET api/v1/audit/entries/<int:seq>", AUDITOR.here(), seq="seq"),
    row("GET api/v1/audit/erasures", (AUDITOR | ADMIN).everywhere()),
    row(
        "POST api/v1/audit/entries/<int:seq>/erasure",
        AUDITOR.everywhere(people=True),
        seq="erasable",
        body=ERASE,
        then=201,
    ),
    row(
        "POST api/v1/audit/entries/<int:seq>/erasure/decision",
        (AUDITOR | ADMIN).everywhere(people=True),
        seq="asked_to_go",
        body={"decision": "decline", "comment": "read it"},
    ),
    row("GET api/v1/audit/report", AUDITOR.everywhere()),
    row("GET api/v1/audit/report/schema", VIEWER.anywhere()),
    row("GET api/v1/environments/<str:slug>/report", AUDITOR.here()),
    row("GET api/v1/audit/checkpoints", AUDITOR.everywhere()),
    row("GET api/v1/audit/population", AUDITOR.everywhere()),
    row("GET api/v1/audit/samples", AUDITOR.everywhere()),
    row("GET api/v1/audit/samples/bundle", AUDITOR.everywhere(), then=409),
    row("GET api/v1/audit/rights", AUDITOR.everywhere()),
    row("GET api/v1/audit/duties", AUDITOR.everywhere()),
    row("GET api/v1/audit/owed", AUDITOR.everywhere()),
    row("GET api/v1/audit/sealing", AUDITOR.everywhere()),
    row("POST api/v1/audit/verification", AUDITOR.everywhere(), body={}),
    row("GET api/v1/audit/bundle", AUDITOR.everywhere(), then=409),
    row("POST api/v1/audit/history", OPERATOR.everywhere(), body=REASON, then=409),
    # What exists
    row(
        "PUT api/v1/blobs/<str:name>", SUBMITTER.anywhere(), name="digest", body=b"bytes", then=201
    ),
    row("HEAD api/v1/blobs/<str:name>", VIEWER.anywhere(), name="blob"),
    row("GET api/v1/blobs/<str:name>", AGENT, name="blob"),
    row("GET api/v1/models", VIEWER.of_group(), finds="model"),
    row(
        "POST api/v1/models",
        SUBMITTER.of_group(),
        body={"name": "another", "group": "cards", "owner": "Cards", "purpose": "A test."},
    ),
    row("GET api/v1/models/<str:model>", VIEWER.of_group()),
    row("GET api/v1/models/<str:model>/versions", VIEWER.of_group()),
    row("POST api/v1/models/<str:model>/versions", SUBMITTER.of_group(), body={}, then=400),
    row("GET api/v1/models/<str:model>/versions/<int:number>", VIEWER.of_group()),
    row(
        "GET api/v1/models/<str:model>/versions/<int:number>",
        VIEWER.deployed(),
        finds="champion_at",
        number="answering",
    ),
    row(
        "POST api/v1/models/<str:model>/versions/<int:number>/attestations",
        (SUBMITTER | RISK).of_group(),
        body={"kind": "other", "document": {"text": "read"}},
    ),
    row(
        "GET api/v1/models/<str:name>/versions/<int:number>/lineage",
        AUDITOR.of_group_everywhere(),
    ),
    row("GET api/v1/models/<str:name>/versions/<int:number>/relations", VIEWER.of_group()),
    row(
        "GET api/v1/models/<str:name>/versions/<int:number>/relations",
        VIEWER.deployed(),
        finds="champion_at",
        number="answering",
    ),
    row("GET api/v1/lineage/versions", VIEWER.of_group(), finds="model"),
    row(
        "POST api/v1/models/<str:name>/versions/<int:number>/waivers",
        RISK.deployed(people=True),
        body=WAIVE,
    ),
    # What may run where
    row("GET api/v1/promotions", VIEWER.deployed(), finds="request"),
    row("POST api/v1/promotions", SUBMITTER.deployed(), body=ASK),
    row("GET api/v1/promotions/<uuid:pk>", VIEWER.deployed(), pk="request"),
    row(
        "POST api/v1/promotions/approvals",
        APPROVER.deployed(people=True),
        body={
            "signatures": [{"id": "{request}", "content_hash": "{content_hash}"}],
            "meaning": "approval",
            "password": PASSWORD,
        },
    ),
    row("GET api/v1/promotions/<uuid:pk>/comments", VIEWER.deployed(), pk="request"),
    row("POST api/v1/promotions/<uuid:pk>/comments", SPEAKER.deployed(), pk="request", body=SAY),
    row(
        "POST api/v1/promotions/<uuid:pk>/approvals",
        APPROVER.deployed(people=True),
        pk="request",
        body=SIGNED,
    ),
    row(
        "POST api/v1/promotions/<uuid:pk>/withdraw", OWNER, owner="asha", pk="request", body=REASON
    ),
    row(
        "POST api/v1/promotions/<uuid:pk>/review",
        APPROVER.deployed(people=True),
        pk="broken",
        body=REVIEW,
    ),
    row(
        "POST api/v1/environments/<str:environment>/models/<str:model>/break-glass",
        OPERATOR.deployed(people=True),
        model="glass",
        body=GLASS,
    ),
    row(
        "POST api/v1/environments/<str:environment>/models/<str:model>/rollback",
        OPERATOR.deployed(),
        body=REASON,
    ),
    row(
        "GET api/v1/environments/<str:environment>/models/<str:model>/scored",
        VIEWER.deployed(),
    ),
    row(
        "POST api/v1/environments/<str:environment>/models/<str:model>/stop",
        OPERATOR.deployed(),
        body=REASON,
    ),
    row(
        "PUT api/v1/environments/<str:environment>/models/<str:model>/placement",
        OPERATOR.deployed(),
        body={**REASON, "labels": {}},
    ),
    row(
        "POST api/v1/environments/<str:environment>/models/<str:model>/spare",
        OPERATOR.deployed(),
        body={**REASON, "version": 2},
        then=409,
    ),
    row(
        "DELETE api/v1/environments/<str:environment>/models/<str:model>/spare",
        OPERATOR.deployed(),
        body=REASON,
        then=409,
    ),
    row(
        "POST api/v1/environments/<str:environment>/models/<str:model>"
        "/versions/<int:number>/dismiss",
        OPERATOR.deployed(),
        number="answering",
        body=REASON,
        then=409,
    ),
    row("POST api/v1/rollouts/<uuid:pk>/pause", OPERATOR.deployed(), pk="rollout", body=REASON),
    row(
        "POST api/v1/rollouts/<uuid:pk>/resume",
        OPERATOR.deployed(),
        pk="rollout",
        body=REASON,
        then=409,
    ),
    row("POST api/v1/rollouts/<uuid:pk>/abort", OPERATOR.deployed(), pk="rollout", body=REASON),
    # The rules
    row("GET api/v1/policies", VIEWER.in_place(), finds="here"),
    row("GET api/v1/policies/schema", VIEWER.anywhere()),
    row("GET api/v1/lineage/schema", VIEWER.anywhere()),
    row("POST api/v1/policies/<str:slug>", ADMIN.here(), body={**POLICY, "risk_tier": "low"}),
    row("GET api/v1/policies/<str:slug>/<int:number>", VIEWER.in_place(), number="policy"),
    row("POST api/v1/policies/<str:slug>/trial", VIEWER.in_place(), body=POLICY),
    row("POST api/v1/policies/<str:slug>/trial", VIEWER.deployed(), body=POLICY, finds="model"),
    row("GET api/v1/policies/requests/<uuid:pk>", VIEWER.in_place(), pk="policy_request"),
    row(
        "POST api/v1/policies/requests/<uuid:pk>/approvals",
        APPROVER.here(people=True),
        pk="policy_request",
        body=SIGN_POLICY,
    ),
    row(
        "POST api/v1/policies/requests/<uuid:pk>/withdraw",
        OWNER,
        owner="ada",
        pk="policy_request",
        body=REASON,
    ),
    row("GET api/v1/policies/requests/<uuid:pk>/comments", VIEWER.in_place(), pk="policy_request"),
    row(
        "POST api/v1/policies/requests/<uuid:pk>/comments",
        SPEAKER.in_place(),
        pk="policy_request",
        body=SAY,
    ),
    # What is wrong
    row("GET api/v1/findings", VIEWER.of_group(), finds="finding"),
    row("GET api/v1/findings/<uuid:pk>", VIEWER.of_group(), pk="finding"),
    row(
        "POST api/v1/models/<str:name>/versions/<int:number>/findings",
        APPROVER.of_group(people=True),
        body=FINDING,
    ),
    row(
        "POST api/v1/findings/<uuid:pk>/close",
        APPROVER.of_group(people=True),
        pk="finding",
        body={"resolution": "trained again"},
    ),
    row("GET api/v1/reviews", VIEWER.deployed(), finds="champion"),
    row(
        "POST api/v1/environments/<str:environment>/models/<str:model>/versions/<int:number>"
        "/reviews",
        APPROVER.deployed(people=True),
        number="answering",
        body=LIVE_REVIEW,
        then=201,
    ),
    row("GET api/v1/incidents", VIEWER.deployed(), finds="incident"),
    row("GET api/v1/incidents", VIEWER.in_place(), finds="incident_of_all"),
    row("POST api/v1/incidents", (OPERATOR | RISK).deployed(), body=INCIDENT),
    row("GET api/v1/incidents/<uuid:pk>", VIEWER.deployed(), pk="incident"),
    row("GET api/v1/incidents/<uuid:pk>", VIEWER.in_place(), pk="incident_of_all"),
    row(
        "POST api/v1/incidents/<uuid:pk>/close",
        (OPERATOR | RISK).deployed(),
        pk="incident",
        body={"resolution": "over"},
    ),
    row(
        "POST api/v1/incidents/<uuid:pk>/close",
        (OPERATOR | RISK).here(),
        pk="incident_of_all",
        body={"resolution": "over"},
    ),
    # Environments and who is told
    row("GET api/v1/environments", VIEWER.in_place(), finds="here"),
    row(
        "PUT api/v1/environments/<str:slug>",
        ADMIN.here(),
        query="dry_run=1",
        body={"kind": "production", "policy": {**POLICY_HERE, "bake_seconds": 0.0}},
    ),
    row("PUT api/v1/environments/<str:slug>", ADMIN.everywhere(), slug="new", body={"kind": "qa"}),
    row("GET api/v1/environments/<str:slug>/state", VIEWER.in_place()),
    row("GET api/v1/environments/<str:slug>/state", VIEWER.deployed(), finds="model"),
    row(
        "GET api/v1/environments/<str:slug>/state",
        VIEWER.deployed(),
        query="at={now}",
        finds="model",
    ),
    row(
        "POST api/v1/environments/<str:slug>/targets/<str:tier>/history",
        OPERATOR.here(),
        tier="tier",
        body=HISTORY,
        then=409,
    ),
    row("POST api/v1/join-tokens", OPERATOR.here(), body={"environment": "{here}", "tier": "live"}),
    row("GET api/v1/doctor", (OPERATOR | ADMIN).everywhere()),
    row("GET api/v1/webhooks", ADMIN.here(), finds="webhook"),
    row(
        "POST api/v1/webhooks",
        ADMIN.here(),
        body={"url": "https://10.0.0.1/", "environment": "{here}"},
        then=400,
    ),
    row("DELETE api/v1/webhooks/<uuid:pk>", ADMIN.here(), pk="webhook"),
    row("POST api/v1/webhooks/<uuid:pk>/secret", ADMIN.here(), pk="webhook"),
    row("GET api/v1/webhooks/<uuid:pk>/deliveries", ADMIN.here(), pk="webhook"),
    row("POST api/v1/deliveries/<uuid:pk>/replay", ADMIN.here(), pk="delivery"),
    # Agents
    row("POST api/v1/agents/enrol", PUBLIC, body={"join_token": "none", "name": "x"}, then=401),
    row("POST api/v1/agents/<uuid:pk>/cordon", OPERATOR.here(), pk="agent", body=REASON),
    row("POST api/v1/agents/<uuid:pk>/uncordon", OPERATOR.here(), pk="agent", body=REASON),
    row("POST api/v1/agents/<uuid:pk>/evict", OPERATOR.here(), pk="agent", body=REASON),
    row(
        "POST api/v1/agents/<uuid:pk>/decommission",
        OPERATOR.here(),
        pk="agent",
        body=REASON,
        then=409,
    ),
    row("GET api/v1/agents/self/desired-state", AGENT),
    row("PUT api/v1/agents/self/report", AGENT, body={}, then=400),
    row("POST api/v1/agents/self/renew", AGENT),
    row("POST api/v1/agents/self/leave", AGENT),
    row("POST api/v1/agents/self/predictions", AGENT, query="kind=dark", body=b"", then=400),
)

PAGES: tuple[Row, ...] = (
    row("GET sign-in/", OPEN, query="next=/"),
    row("POST sign-in/", OPEN, then=401),
    row("POST sign-out/", OPEN, then=302),
    row("GET account/password/", VIEWER.anywhere()),
    row("POST account/password/", VIEWER.anywhere(), then=401),
    row("GET ", VIEWER.of_group(), finds="model"),
    row("GET ", VIEWER.in_place(), finds="here"),
    row("GET abnormal/", VIEWER.anywhere()),
    row("GET models/", VIEWER.of_group(), finds="model"),
    row("GET models/<slug:name>/", VIEWER.of_group()),
    row("GET models/<slug:name>/versions/<int:number>/", VIEWER.of_group()),
    row(
        "GET models/<slug:name>/versions/<int:number>/lineage/",
        AUDITOR.of_group_everywhere(),
    ),
    row("GET models/<slug:name>/versions/<int:number>/relations/", VIEWER.of_group()),
    row("GET lineage/", VIEWER.of_group(), query="live=1&feature=age", finds="model"),
    row("GET lineage/data/<slug:digest>/", VIEWER.of_group(), digest="data"),
    row("GET audit/reports/", AUDITOR.here(), query="form=html&environment={here}", then=200),
    row("GET models/<slug:name>/versions/<int:number>/waive/", RISK.of_group()),
    row("POST models/<slug:name>/versions/<int:number>/waive/", RISK.deployed(), body=WAIVE),
    row("GET promotions/", VIEWER.deployed(), finds="request"),
    row("GET promotions/<uuid:pk>/", VIEWER.deployed(), pk="request"),
    row("GET promotions/<uuid:pk>/progress/", VIEWER.deployed(), pk="request"),
    row("POST promotions/<uuid:pk>/sign/", APPROVER.deployed(), pk="request", body=SIGNED),
    row(
        "GET promotions/together/<slug:environment>/<slug:kind>/",
        APPROVER.deployed(),
        kind="promote",
        finds="request",
    ),
    row(
        "POST promotions/together/<slug:environment>/<slug:kind>/",
        APPROVER.deployed(),
        kind="promote",
        body={
            "signatures": "{request}:{content_hash}",
            "meaning": "approval",
            "password": PASSWORD,
        },
    ),
    row("POST promotions/<uuid:pk>/comment/", SPEAKER.deployed(), pk="request", body=SAY),
    row(
        "POST policies/requests/<uuid:pk>/comment/",
        SPEAKER.in_place(),
        pk="policy_request",
        body=SAY,
    ),
    row("GET findings/", VIEWER.of_group(), finds="finding"),
    row(
        "GET models/<slug:name>/versions/<int:number>/findings/record/",
        APPROVER.of_group(),
    ),
    row(
        "POST models/<slug:name>/versions/<int:number>/findings/record/",
        APPROVER.of_group(),
        body=FINDING,
    ),
    row("GET findings/<uuid:pk>/close/", APPROVER.of_group(), pk="finding"),
    row(
        "POST findings/<uuid:pk>/close/",
        APPROVER.of_group(),
        pk="finding",
        body={"resolution": "trained again"},
    ),
    row("GET reviews/", VIEWER.deployed(), finds="champion"),
    row(
        "GET environments/<slug:environment>/models/<slug:name>/versions/<int:number>/review/",
        APPROVER.deployed(),
        number="answering",
    ),
    row(
        "POST environments/<slug:environment>/models/<slug:name>/versions/<int:number>/review/",
        APPROVER.deployed(),
        number="answering",
        body=LIVE_REVIEW,
    ),
    row("GET incidents/", VIEWER.deployed(), finds="incident"),
    row("GET incidents/", VIEWER.in_place(), finds="incident_of_all"),
    row("GET incidents/open/", (OPERATOR | RISK).anywhere()),
    row("POST incidents/open/", (OPERATOR | RISK).deployed(), body=INCIDENT),
    row("GET incidents/<uuid:pk>/close/", (OPERATOR | RISK).deployed(), pk="incident"),
    row(
        "POST incidents/<uuid:pk>/close/",
        (OPERATOR | RISK).deployed(),
        pk="incident",
        body={"resolution": "over"},
    ),
    row("GET promotions/<uuid:pk>/withdraw/", VIEWER.deployed(), pk="request"),
    row("POST promotions/<uuid:pk>/withdraw/", OWNER, owner="asha", pk="request", body=REASON),
    row("POST promotions/<uuid:pk>/review/", APPROVER.deployed(), pk="broken", body=REVIEW),
    row("GET rollouts/<uuid:pk>/pause/", OPERATOR.deployed(), pk="rollout"),
    row("POST rollouts/<uuid:pk>/pause/", OPERATOR.deployed(), pk="rollout", body=REASON),
    row("GET rollouts/<uuid:pk>/resume/", OPERATOR.deployed(), pk="rollout"),
    row(
        "POST rollouts/<uuid:pk>/resume/", OPERATOR.deployed(), pk="rollout", body=REASON, then=409
    ),
    row("GET rollouts/<uuid:pk>/abort/", OPERATOR.deployed(), pk="rollout"),
    row("POST rollouts/<uuid:pk>/abort/", OPERATOR.deployed(), pk="rollout", body=REASON),
    row("GET environments/<slug:environment>/models/<slug:name>/roll-back/", OPERATOR.deployed()),
    row(
        "POST environments/<slug:environment>/models/<slug:name>/roll-back/",
        OPERATOR.deployed(),
        body={**REASON, "to": "1"},
    ),
    row("GET environments/<slug:environment>/models/<slug:name>/stop/", OPERATOR.deployed()),
    row(
        "POST environments/<slug:environment>/models/<slug:name>/stop/",
        OPERATOR.deployed(),
        body=REASON,
    ),
    row(
        "GET environments/<slug:environment>/models/<slug:name>/versions/<int:number>/break-glass/",
        OPERATOR.deployed(),
        name="glass",
        number="first",
    ),
    row(
        "POST environments/<slug:environment>/models/<slug:name>"
        "/versions/<int:number>/break-glass/",
        OPERATOR.deployed(),
        name="glass",
        number="first",
        body=GLASS,
    ),
    row("GET environments/<slug:environment>/as-of/", VIEWER.in_place()),
    row("GET environments/<slug:environment>/as-of/", VIEWER.deployed(), finds="model"),
    row("GET policies/", VIEWER.in_place(), finds="here"),
    row("GET policies/requests/<uuid:pk>/", VIEWER.in_place(), pk="policy_request"),
    row("GET policies/requests/<uuid:pk>/", VIEWER.deployed(), pk="policy_request", finds="model"),
    row(
        "POST policies/requests/<uuid:pk>/",
        APPROVER.here(),
        pk="policy_request",
        body=SIGN_POLICY,
    ),
    row("GET policies/<slug:environment>/propose/", ADMIN.here()),
    row("POST policies/<slug:environment>/propose/", ADMIN.here(), body=PAGE_POLICY, then=200),
    row("GET policies/requests/<uuid:pk>/withdraw/", VIEWER.in_place(), pk="policy_request"),
    row(
        "POST policies/requests/<uuid:pk>/withdraw/",
        OWNER,
        owner="ada",
        pk="policy_request",
        body=REASON,
    ),
    row("GET policies/<slug:environment>/<int:number>/", VIEWER.in_place(), number="policy"),
    row(
        "POST policies/<slug:environment>/<int:number>/try/",
        VIEWER.in_place(),
        number="policy",
        body=PAGE_POLICY,
        then=200,
    ),
    row(
        "POST policies/<slug:environment>/<int:number>/try/",
        VIEWER.deployed(),
        number="policy",
        body=PAGE_POLICY,
        then=200,
        finds="model",
    ),
    row(
        "GET environments/<slug:environment>/models/<slug:name>/placement/",
        OPERATOR.deployed(),
    ),
    row(
        "POST environments/<slug:environment>/models/<slug:name>/placement/",
        OPERATOR.deployed(),
        body=REASON,
    ),
    row("GET environments/<slug:environment>/models/<slug:name>/spare/", OPERATOR.deployed()),
    row(
        "POST environments/<slug:environment>/models/<slug:name>/spare/",
        OPERATOR.deployed(),
        body={**REASON, "version": "2"},
        then=409,
    ),
    row(
        "GET environments/<slug:environment>/models/<slug:name>/versions/<int:number>/dismiss/",
        OPERATOR.deployed(),
        number="answering",
    ),
    row(
        "POST environments/<slug:environment>/models/<slug:name>/versions/<int:number>/dismiss/",
        OPERATOR.deployed(),
        number="answering",
        body=REASON,
        then=409,
    ),
    row("GET people/", (ADMIN | AUDITOR).everywhere()),
    row("GET audit/", AUDITOR.everywhere()),
    row("GET audit/watch/", AUDITOR.everywhere()),
    row("GET audit/watch/now/", AUDITOR.everywhere()),
    row("GET audit/erasures/", (AUDITOR | ADMIN).everywhere()),
    row("GET audit/entries/<int:seq>/erase/", AUDITOR.everywhere(), seq="erasable"),
    row("GET audit/entries/<int:seq>/erase/", (AUDITOR | ADMIN).everywhere(), seq="asked_to_go"),
    row("POST audit/entries/<int:seq>/erase/", AUDITOR.everywhere(), seq="erasable", body=ERASE),
    row(
        "POST audit/entries/<int:seq>/erase/",
        (AUDITOR | ADMIN).everywhere(),
        seq="asked_to_go",
        body={"decision": "decline", "comment": "read it"},
    ),
    row("GET audit/desk/", AUDITOR.everywhere()),
    row("GET audit/population/", AUDITOR.everywhere()),
    row("GET audit/samples/", AUDITOR.everywhere()),
    row("GET audit/samples/bundle/", AUDITOR.everywhere(), query="seed=one", then=409),
    row("GET audit/rights/", AUDITOR.everywhere()),
    row("GET audit/duties/", AUDITOR.everywhere()),
    row("GET audit/owed/", AUDITOR.everywhere()),
    row("GET audit/verify/", AUDITOR.everywhere()),
    row("POST audit/verify/", AUDITOR.everywhere(), body={}, then=200),
    row("GET audit/bundle/", AUDITOR.everywhere(), then=409),
    row("GET audit/history/", OPERATOR.everywhere()),
    row("POST audit/history/", OPERATOR.everywhere(), body=REASON, then=409),
    row("GET fleet/", VIEWER.in_place(), finds="agent_name"),
    row("GET fleet/", VIEWER.of_group(), finds="model"),
    row("GET fleet/targets/<uuid:pk>/history/", OPERATOR.here(), pk="target", given=lose_history),
    row(
        "POST fleet/targets/<uuid:pk>/history/",
        OPERATOR.here(),
        pk="target",
        body=HISTORY,
        given=lose_history,
    ),
    row("GET fleet/<uuid:pk>/cordon/", OPERATOR.here(), pk="agent"),
    row(
        "POST fleet/<uuid:pk>/cordon/",
        OPERATOR.here(),
        pk="agent",
        body={**REASON, "cordon": "yes"},
    ),
    row("GET fleet/<uuid:pk>/evict/", OPERATOR.here(), pk="agent"),
    row("POST fleet/<uuid:pk>/evict/", OPERATOR.here(), pk="agent", body=REASON),
    row("GET fleet/<uuid:pk>/decommission/", OPERATOR.here(), pk="agent"),
    row("POST fleet/<uuid:pk>/decommission/", OPERATOR.here(), pk="agent", body=REASON, then=409),
)

ROWS = (*API, *PAGES)
