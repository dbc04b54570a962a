"""The OpenAPI 3.1 description at ``/api/schema``."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularJSONAPIView


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How ``BearerToken`` reads in the description. Found by being imported."""

    target_class = "governance.api.authentication.BearerToken"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002
        return {"type": "http", "scheme": "bearer", "bearerFormat": "lg_<scope>_<43 characters>"}


SchemaView = SpectacularJSONAPIView
