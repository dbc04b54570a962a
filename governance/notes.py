"""Checkpoints as text that others read too: C2SP ``signed-note`` and ``tlog-checkpoint``.

    lockgate.bank.example/audit                     the log's name (its *origin*)
    1234                                            entries
    dGhlIHJvb3QgYXMgYmFzZTY0IC4uLi4uLi4uLi4uLi4=    root over them
    objects 17 bW9yZSBiYXNlNjQ=                     objects, and the root over their ends
    time 2026-11-20T10:00:00Z                       when it was signed

    - lockgate.bank.example/audit bmFtZSwga2V5IGFuZCBzaWduYXR1cmU=

The last line begins with a long dash. Each key adds such a line, so that an old and a
new key can both sign for a while. https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

DASH = "\u2014 "
ED25519 = b"\x01"
LONGEST = 64 * 1024
NAME = re.compile(r"[^\s+\x00-\x1f]{1,200}")


class BadNote(ValueError):
    """A text that is no signed checkpoint; the message says why."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name: ``name+hash+base64``, one line of a file of keys."""

    name: str
    public: bytes

    @property
    def key_hash(self) -> bytes:
        """The four bytes by which a signature names its key."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        key = base64.b64encode(ED25519 + self.public).decode()
        return f"{self.name}+{self.key_hash.hex()}+{key}"

    @classmethod
    def read(cls, line: str) -> Self:
        """Read one key.

        Raises:
            BadNote: it is none.
        """
        name, _, rest = line.strip().partition("+")
        key_hash, _, key = rest.partition("+")
        try:
            raw = base64.b64decode(key, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        found = cls(name, raw[1:])
        if raw[:1] != ED25519 or len(raw) != 33 or found.key_hash.hex() != key_hash:
            raise BadNote(f"this is no key of a checkpoint: {line.strip()[:80]!r}")
        return found

    def accepts(self, text: str, signature: bytes) -> bool:
        """Tell whether the signature over the text is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed: the log at one size."""

    origin: str
    size: int
    root: bytes
    objects: int
    objects_root: bytes
    at: datetime

    def text(self) -> str:
        """Return the exact text that is signed."""
        lines = (
            self.origin,
            str(self.size),
            base64.b64encode(self.root).decode(),
            f"objects {self.objects} {base64.b64encode(self.objects_root).decode()}",
            f"time {self.at:%Y-%m-%dT%H:%M:%SZ}",
        )
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the text of a note.

        Raises:
            BadNote: not exactly the form that ``text`` gives.
        """
        try:
            origin, size, root, objects, time, end = text.split("\n")
            kind, count, objects_root = objects.split(" ")
            found = cls(
                origin,
                int(size),
                base64.b64decode(root, validate=True),
                int(count),
                base64.b64decode(objects_root, validate=True),
                datetime.fromisoformat(time.removeprefix("time ")),
            )
        except ValueError:
            raise BadNote("this is no checkpoint of the audit log") from None
        if found.text() != text or kind != "objects" or end or len(found.root) != 32:
            raise BadNote("this is no checkpoint of the audit log")
        return found


def object_leaf(name: str, seq: int, last: str) -> bytes:
    """Return what is hashed of one object's end: how many entries it has, and the last's hash."""
    return f"{name}\n{seq}\n{last}\n".encode()


def sign(text: str, *, name: str, keys: Iterable[Ed25519PrivateKey]) -> str:
    """Return the signed note: the text, and one line for each key."""
    lines = []
    for key in keys:
        public = Verifier(name, key.public_key().public_bytes_raw())
        signed = base64.b64encode(public.key_hash + key.sign(text.encode())).decode()
        lines.append(f"{DASH}{name} {signed}\n")
    return text + "\n" + "".join(lines)


def split(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Return a note's text and its signatures: name, hash of the key, signature.

    Raises:
        BadNote: it is no signed note.
    """
    text, found, tail = note.rpartition("\n\n")
    if not found or not tail.endswith("\n") or len(note) > LONGEST:
        raise BadNote("this is no signed note")
    signatures = []
    for line in tail[:-1].split("\n"):
        name, space, encoded = line.removeprefix(DASH).partition(" ")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if not line.startswith(DASH) or not space or not NAME.fullmatch(name) or len(raw) < 5:
            raise BadNote("this note has a line that is no signature")
        signatures.append((name, raw[:4], raw[4:]))
    return text + "\n", signatures


def open_note(note: str, keys: Iterable[Verifier]) -> Checkpoint:
    """Read a checkpoint that at least one of the keys has signed, and none falsely.

    Raises:
        BadNote: it is none, or no key of these has signed it.
    """
    text, signatures = split(note)
    known = {(key.name, key.key_hash): key for key in keys}
    good = 0
    for name, key_hash, signature in signatures:
        key = known.get((name, key_hash))
        if key is not None and not key.accepts(text, signature):
            raise BadNote(f"the signature of {name} is false")
        good += key is not None
    if not good:
        raise BadNote("no key that is known here has signed this checkpoint")
    return Checkpoint.read(text)


def read_keys(text: str) -> list[Verifier]:
    """Read a file of keys: one a line; empty lines and those with ``#`` say nothing.

    Raises:
        BadNote: a line is no key.
    """
    lines = (line.strip() for line in text.splitlines())
    return [Verifier.read(line) for line in lines if line and not line.startswith("#")]
