"""The errors our own code raises on purpose.

Each has a stable ``code``. Clients and tests match on the code, never on the
wording. Nothing here knows about HTTP: ``governance.api.problems`` decides
which status a class becomes.

    GovernanceError
    |- NotFound        no such object, or none that this actor may see
    |- Conflict        the object is no longer in the state the caller assumed
    |- Stale           the caller's precondition no longer holds
    |- Invalid         the input itself is wrong; ``problems`` names each field
    |- TooLarge        over a stated limit
    |- Unauthenticated nobody, or a token that is no longer good
    |- Forbidden       no role for this here
    |- Refused         a rule forbids it; recorded in the audit log
    |- Unavailable     something we need is down; try again
"""


class GovernanceError(Exception):
    """The product said no, and the caller can act on the reason."""

    code = "governance_error"

    def __init__(self, message: str, *, code: str = "", **context: object) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.context = context


class NotFound(GovernanceError):
    """No such object, or none that this actor may see."""

    code = "not_found"


class Conflict(GovernanceError):
    """The object is no longer in the state the caller assumed."""

    code = "conflict"


class Stale(GovernanceError):
    """The caller's precondition (``If-Match``) no longer holds."""

    code = "stale"


class Invalid(GovernanceError):
    """The input is wrong. ``problems`` maps a field's path to what is wrong with it."""

    code = "invalid"

    def __init__(self, message: str, *, code: str = "", **problems: object) -> None:
        super().__init__(message, code=code, **problems)


class TooLarge(GovernanceError):
    """Over a stated limit."""

    code = "too_large"


class Unauthenticated(GovernanceError):
    """Nobody, or a token that is unknown, expired or revoked."""

    code = "unauthenticated"


class Forbidden(GovernanceError):
    """The actor holds no role that allows this here."""

    code = "forbidden"


class Refused(GovernanceError):
    """A rule forbids the action.

    Names its object and subject, because a refusal is itself an audit event
    and has to be recorded after the refused transaction has rolled back.

    Args:
        rule: stable name of the rule, also the error's code.
        object: chain the refusal belongs to, such as ``model:credit-default``.
        subject: what was acted on, such as ``request:<uuid>``.
    """

    code = "refused"

    def __init__(
        self, message: str, *, rule: str, object: str, subject: str, **context: object
    ) -> None:
        super().__init__(message, code=rule, rule=rule, **context)
        self.rule = rule
        self.object = object
        self.subject = subject


class Unavailable(GovernanceError):
    """Something this needs is down or full. Trying again later may help."""

    code = "unavailable"
