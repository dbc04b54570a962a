"""Answers that exist in one form only."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class AnyAccept(DefaultContentNegotiation):
    """Answers in the one form there is, whatever the caller says it accepts."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 - the framework's
        renderers: Any,
        format_suffix: str | None = None,  # noqa: ARG002 - the framework's
    ) -> Any:
        return renderers[0], renderers[0].media_type
