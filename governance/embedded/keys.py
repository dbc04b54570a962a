"""Keys of an embedded deployment: made once, kept in its folder, never in the code."""

from collections.abc import Callable
from pathlib import Path
from secrets import token_urlsafe

from governance.embedded.home import Home, write_private


def keep(home: Home, name: str, make: Callable[[], bytes]) -> Path:
    """Give the key file of that name, making it the first time, whoever else tries to."""
    path = home.folder("keys") / name
    if not path.exists():
        with home.lock("keys"):
            if not path.exists():
                write_private(path, make())
    return path


def secret() -> bytes:
    """512 random bits as text."""
    return token_urlsafe(64).encode()


def password() -> bytes:
    """256 random bits as text that needs no quoting in a URL or a configuration file."""
    return token_urlsafe(32).encode()


def signing_key() -> bytes:
    """Make an Ed25519 private key, PKCS 8 in PEM."""
    # Here, because most processes find the key made and need no cryptography.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    return Ed25519PrivateKey.generate().private_bytes(
        encoding=serialization.Encoding.PEM,
        format=serialization.PrivateFormat.PKCS8,
        encryption_algorithm=serialization.NoEncryption(),
    )
