"""What can go wrong on the client's side.

LockgateError
|- ApiError        the service said no; ``code`` is stable, ``context`` is all it said
|- Unreachable     no answer, or none from the service
|- WaitedTooLong   what was waited for has not happened yet
|- NotReached      it has ended otherwise, and will not happen any more
|- NotAsShown      what is to be signed is not what the service shows
|- NoSidecar       no agent to send calls to, or no model
|- BadPack         files that do not make a version
|- NotConvertible  an estimator that cannot become ONNX; ``code`` is stable, here and below
   |- BadEstimator a file or an object that is no fitted estimator
   |- BadSample    rows that do not fit the estimator or the model
   |- NotEqual     it can, but would answer differently
"""

from collections.abc import Mapping
from typing import Any


class LockgateError(Exception):
    """Something the caller can act on. The message says what."""


class ApiError(LockgateError):
    """The service said no."""

    def __init__(
        self, status: int, code: str, detail: str, *, context: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.context = dict(context or {})

    @property
    def problems(self) -> dict[str, Any]:
        """What is wrong with each field, by its path."""
        found = self.context.get("problems")
        return found if isinstance(found, dict) else {}


class Unreachable(LockgateError):
    """No answer, after trying again."""


class WaitedTooLong(LockgateError):
    """It may still happen; this client stopped waiting."""


class NotReached(LockgateError):
    """What was waited for has ended otherwise."""


class NotAsShown(LockgateError):
    """The hash to be signed is not of the content that came with it."""


class NoSidecar(LockgateError):
    """There is nothing to send calls to, or not in a way that Envoy could."""


class BadPack(LockgateError):
    """The files at hand do not make a version."""


class NotConvertible(LockgateError):
    """There is no ONNX model for this estimator."""

    code = "not_convertible"

    def __init__(self, message: str) -> None:
        super().__init__(f"{self.code}: {message}")


class BadEstimator(NotConvertible):
    """What was given is no fitted estimator."""

    code = "bad_estimator"


class BadSample(NotConvertible):
    """What was given are no rows, or not those the estimator or model takes."""

    code = "bad_sample"


class NotEqual(NotConvertible):
    """The ONNX model would answer differently.

    Attributes:
        rows: positions in the sample whose answers differ by more than the tolerance.
        largest: the largest difference of a probability or value.
    """

    code = "not_equal"

    def __init__(self, message: str, *, rows: list[int], largest: float) -> None:
        super().__init__(message)
        self.rows = rows
        self.largest = largest
