"""Keys of an embedded deployment: made once, kept in its folder, never in the code."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex, token_urlsafe

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


def origin() -> bytes:
    """A name for the audit log of this home: no two are taken for one."""
    return f"lockgate.local/{token_hex(4)}".encode()


def verifier(key: Path, name: str) -> bytes:
    """Make the public half of a sealer's key: ``name+hash+base64``, as C2SP has it."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    made = serialization.load_pem_private_key(key.read_bytes(), password=None).public_key()
    raw = made.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    algorithm = b"\x01"  # Ed25519
    short = hashlib.sha256(name.encode() + b"\n" + algorithm + raw).hexdigest()[:8]
    return f"{name}+{short}+{base64.b64encode(algorithm + raw).decode()}\n".encode()
