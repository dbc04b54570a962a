"""Asking for a password again before something is signed, with the limit that sign-in has."""

from governance.errors import Forbidden, Unauthenticated
from governance.models import User
from governance.services import sign_in


def confirm(*, user: User, password: str, address: str | None) -> None:
    """Hold that whoever is at the screen knows the account's password.

    Call it before the service that signs, outside any transaction: a failed attempt
    leaves its line in the access log, and the lines are what limits guessing.

    Raises:
        Forbidden: ``wrong_password``.
        Unauthenticated: ``too_many_attempts`` in five minutes.
    """
    try:
        sign_in.check(username=user.username, password=password, address=address)
    except Unauthenticated as error:
        if error.code != "bad_credentials":
            raise
        message = "The password is not right, so nothing was signed."
        raise Forbidden(message, code="wrong_password") from None
