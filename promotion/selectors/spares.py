"""Whether a deployment may be kept as spare."""

from promotion import rules
from promotion.models import Deployment
from promotion.verdicts import Verdict
from registry.models import Inspection


def fitness(deployment: Deployment) -> Verdict:
    """Say whether it may answer when the champion fails, or why not."""
    inspection = deployment.version.inspection
    return rules.may_be_spare(
        state=deployment.state,
        was_champion=deployment.champion_at is not None,
        barred=deployment.barred,
        undecided=deployment.undecided_since is not None,
        inspected=inspection.status == Inspection.Status.READY,
    )
