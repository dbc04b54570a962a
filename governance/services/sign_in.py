"""Checking passwords: at sign-in, and again before something is signed.

Every attempt leaves a line in the access log, and the lines are what limits guessing.
"""

from datetime import timedelta

from django.contrib.auth.hashers import make_password
from django.db.models import Count, Q
from django.utils import timezone

from governance import names
from governance.errors import Unauthenticated
from governance.models import AccessLog, User
from governance.services import access_log

WINDOW = timedelta(minutes=5)
ATTEMPTS_FROM_ONE_ADDRESS = 10
ATTEMPTS_IN_ALL = 100
"""Higher, so that a stranger cannot lock somebody out with a few wrong guesses."""
ATTEMPTS_ON_ANY_NAME = 300
"""From one address. A proxy's address is many people's, so this only bounds the log."""
LONGEST_PASSWORD = 1_024
"""Characters; hashing a longer one would cost more than anybody's password is worth."""


def check(*, username: str, password: str, address: str | None) -> User:
    """Return the account whose name and password these are.

    Takes as long for a name that does not exist, and says the same.

    Raises:
        Unauthenticated: ``bad_credentials``, or ``too_many_attempts`` in five minutes.
    """
    if names.problem_with(username, limit=150) or len(password) > LONGEST_PASSWORD:
        raise _refusal()
    username = User.normalize_username(username)
    _refuse_guessing(username, address)
    user = User.objects.filter(username=username).first()
    if user is None:
        make_password(password)
    if user is None or not user.check_password(password) or not user.is_active:
        access_log.note(kind=access_log.SIGN_IN_FAILED, principal=username, address=address)
        raise _refusal()
    access_log.note(kind=access_log.SIGNED_IN, principal=username, address=address)
    return user


def _refusal() -> Unauthenticated:
    message = "That is not the name and password of an account that may sign in."
    return Unauthenticated(message, code="bad_credentials")


def _refuse_guessing(username: str, address: str | None) -> None:
    mine, here = Q(principal=username), Q(address=address)
    recent = AccessLog.objects.filter(
        kind=access_log.SIGN_IN_FAILED, at__gt=timezone.now() - WINDOW
    ).aggregate(
        in_all=Count("pk", filter=mine),
        mine_here=Count("pk", filter=mine & here),
        here=Count("pk", filter=here),
    )
    if (
        recent["in_all"] >= ATTEMPTS_IN_ALL
        or recent["mine_here"] >= ATTEMPTS_FROM_ONE_ADDRESS
        or recent["here"] >= ATTEMPTS_ON_ANY_NAME
    ):
        message = "Too many failed attempts. Try again in five minutes."
        raise Unauthenticated(message, code="too_many_attempts")
