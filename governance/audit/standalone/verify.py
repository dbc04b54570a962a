"""Check a bundle of Lockgate's audit log, alone: no database, no network, no library.

    python3 -I -S verify.py --keys keys.txt BUNDLE.zip [--since CHECKPOINT]

exit 0  proven: every statement follows from entries that the given keys have sealed
exit 1  tampering proven: the first bad entry is named, with the reason
exit 2  cannot decide: the bundle cannot be read, or a key or a proof is not there
exit 3  usage

``keys.txt`` holds public keys, one a line (``name+hash+base64``); get them from somebody
you trust, by another way than the bundle. CHECKPOINT is one that you have kept: the log
must still begin with what it sealed. The bundle's format: docs/audit-bundle.md.

This file is one piece on purpose: it is copied to where nothing else is, and read by
people who trust nobody. Python 3.9 or newer. The bundle is taken to be hostile.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
import struct
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

SCHEMA = "lockgate.audit-bundle/1"
STATEMENTS = "lockgate.statements/1"
PROVEN, TAMPERED, UNDECIDED, USAGE = 0, 1, 2, 3
SAYS = {
    PROVEN: "PROVEN",
    TAMPERED: "TAMPERING PROVEN",
    UNDECIDED: "CANNOT DECIDE",
    USAGE: "USAGE",
}
GENESIS = b"0" * 64
sha256 = hashlib.sha256

if TYPE_CHECKING:
    Point = tuple[int, int, int, int]
    Fields = tuple[bytes, ...]
    Ends = dict[bytes, tuple[int, str]]
    Keys = dict[tuple[str, str], "Key"]

# What a bundle may cost us to read.
MOST_FILES = 2_000
MOST_BYTES = 16 * 1024**3
RATIO, RATIO_FROM = 200, 4 * 1024**2
LONGEST_LEAF, LONGEST_PAYLOAD = 64 * 1024, 4 * 1024**2
LARGEST = {
    "bundle.json": 1024**2,
    "MANIFEST.txt": 1024**2,
    "README.txt": 1024**2,
    "proofs.json": 64 * 1024**2,
    "report.html": 64 * 1024**2,
    "report.json": 64 * 1024**2,
    "verify.py": 1024**2,
}
STREAMS = {"entries.ndjson": LONGEST_LEAF, "payloads.txt": LONGEST_PAYLOAD}
REQUIRED = {"bundle.json", "MANIFEST.txt", "README.txt", "report.json", "verify.py", *STREAMS}
NOTE = re.compile(r"checkpoints/(\d{15})(-\d{1,2})?\.note")
LARGEST_NOTE = 64 * 1024
CHUNK = 1024**2


class Tampered(Exception):
    """Something was changed after it was sealed; says what."""


class Undecided(Exception):
    """Nothing can be proven, neither way; says why."""


# -- Ed25519, RFC 8032 section 5.1: verification only ----------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
BASE_Y = 4 * pow(5, P - 2, P) % P


def _decoded(raw: bytes) -> Point | None:
    """Return the point that 32 bytes stand for, in extended coordinates, or None."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def _encoded(point: Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _sum(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _twice(point: Point) -> Point:
    x, y, z, _ = point
    a, b, c = x * x, y * y, 2 * z * z
    e, g, h = a + b - (x + y) * (x + y), a - b, a + b
    f = c + g
    return e * f % P, g * h % P, f * g % P, e * h % P


BASE = _decoded(BASE_Y.to_bytes(32, "little")) or (0, 0, 0, 0)
NEUTRAL = (0, 1, 1, 0)


@lru_cache(maxsize=256)  # One note may stand in a bundle and be given beside it.
def ed25519_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether the signature is that key's over exactly that message."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, s = _decoded(public), int.from_bytes(signature[32:], "little")
    if key is None or s >= L:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    k = int.from_bytes(digest, "little") % L
    minus = (P - key[0], key[1], 1, P - key[3])
    both, point = _sum(BASE, minus), NEUTRAL
    for bit in range(max(s.bit_length(), k.bit_length()) - 1, -1, -1):
        point = _twice(point)
        which = (s >> bit & 1, k >> bit & 1)
        if which != (0, 0):
            point = _sum(point, {(1, 0): BASE, (0, 1): minus, (1, 1): both}[which])
    return _encoded(point) == signature[:32]


# -- Signed notes (https://c2sp.org/signed-note) and the tree (RFC 6962) -----------------


class Key:
    """One public key under a name."""

    def __init__(self, line: str) -> None:
        self.name, _, rest = line.partition("+")
        self.hash, _, encoded = rest.partition("+")
        raw = _base64(encoded)
        self.public = raw[1:]
        said = sha256(self.name.encode() + b"\n" + raw).hexdigest()[:8]
        if not self.name or len(raw) != 33 or raw[0] != 1 or said != self.hash:
            raise ValueError(f"this is no Ed25519 key of a signed note: {line[:80]!r}")


def read_keys(text: str) -> Keys:
    """Read the keys of a file. Raises ValueError."""
    lines = [line.strip() for line in text.splitlines()]
    found = [Key(line) for line in lines if line and not line.startswith("#")]
    if not found:
        raise ValueError("there is no key in it")
    return {(key.name, key.hash): key for key in found}


class Note:
    """A signed text. ``known``: the names of given keys that have signed it."""

    def __init__(self, content: bytes, keys: Keys, what: str) -> None:
        text, found, tail = _text(content, what).rpartition("\n\n")
        if not found or not tail.endswith("\n"):
            raise Tampered(f"{what} is no signed note")
        self.text = text + "\n"
        self.names: list[str] = []
        self.known: list[str] = []
        for line in tail[:-1].split("\n"):
            dash, _, rest = line.partition(" ")
            name, _, encoded = rest.partition(" ")
            raw = _base64(encoded)
            if dash != "\u2014" or not name or len(raw) < 5:
                raise Tampered(f"{what} has a line that is no signature")
            key = keys.get((name, raw[:4].hex()))
            if key and not ed25519_holds(key.public, self.text.encode(), raw[4:]):
                raise Tampered(f"{what} has a false signature of {name}")
            self.names.append(name)
            if key:
                self.known.append(name)

    def require_signed(self, keys: Keys, what: str, name: str) -> None:
        """Raise unless a given key of that name has signed it."""
        if name in self.known:
            return
        if name in self.names and name in {known for known, _ in keys}:
            raise Tampered(
                f"{what} is signed by a key that calls itself {name} and is not the one given"
            )
        raise Undecided(f"{what}: no key of the name {name} is given, or has signed it")


class Checkpoint:
    """What the sealer signed: the log's size, its root, and the root over its objects."""

    def __init__(self, content: bytes, keys: Keys, what: str) -> None:
        self.what, self.note = what, Note(content, keys, what)
        lines = self.note.text.split("\n")
        shape = (
            r"(\d{1,18})\n(\S+)\nobjects (\d{1,18}) (\S+)\ntime (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\n"
        )
        found = re.fullmatch(shape, "\n".join(lines[1:]))
        if not found or not lines[0]:
            raise Tampered(f"{what} is no checkpoint of an audit log")
        self.origin, self.size, self.at = lines[0], int(found[1]), found[5]
        self.root, self.objects_root = _base64(found[2]), _base64(found[4])
        self.objects = int(found[3])
        if len(self.root) != 32 or len(self.objects_root) != 32 or not self.size:
            raise Tampered(f"{what} is no checkpoint of an audit log")
        # After a history was lost the log goes on as name/2, signed under its first name.
        first = re.sub(r"/[2-9]$|/[1-9][0-9]{1,5}$", "", self.origin)
        names = [name for name in (self.origin, first) if name in self.note.names]
        if not names:
            raise Tampered(f"{what} is of {self.origin}, and signed by others")
        self.name = names[0]

    def require_signed(self, keys: Keys) -> None:
        """Raise unless the log's own key has signed it."""
        self.note.require_signed(keys, self.what, self.name)


def node(left: bytes, right: bytes) -> bytes:
    """Hash an inner node of the tree."""
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    roots: list[bytes] = []
    size = 0
    for each in hashes:
        size = grow(roots, each, size)
    return join(roots)


def grow(roots: list[bytes], leaf: bytes, size: int) -> int:
    """Append a leaf hash to the roots of complete subtrees; return the new size."""
    size += 1
    count = size
    while not count & 1:
        leaf = sha256(b"\x01" + roots.pop() + leaf).digest()
        count >>= 1
    roots.append(leaf)
    return size


def join(roots: list[bytes]) -> bytes:
    """Return the root of a tree from the roots of its complete subtrees."""
    if not roots:
        return sha256(b"").digest()
    found = roots[-1]
    for each in reversed(roots[:-1]):
        found = node(each, found)
    return found


def includes(leaf: bytes, path: list[bytes], *, index: int, size: int, root: bytes) -> bool:
    """Check an inclusion proof (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last = index, size - 1
    for each in path:
        if not last:
            return False
        if at & 1 or at == last:
            leaf = node(each, leaf)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            leaf = node(leaf, each)
        at, last = at >> 1, last >> 1
    return not last and leaf == root


def extends(path: list[bytes], first_tree: dict[int, bytes], *, size: int, root: bytes) -> bool:
    """Check a consistency proof (RFC 9162, 2.1.4.2) of one smaller tree: its size and root."""
    ((old, old_root),) = first_tree.items()
    if old == size:
        return old_root == root and not path
    if not 0 < old < size or not path:
        return False
    path = [old_root, *path] if old & (old - 1) == 0 else list(path)
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for each in path[1:]:
        if not last:
            return False
        if at & 1 or at == last:
            first, second = node(each, first), node(each, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node(second, each)
        at, last = at >> 1, last >> 1
    return not last and first == old_root and second == root


# -- The archive -------------------------------------------------------------------------


class Archive:
    """A zip file of which every byte is accounted for, and every name is one we know."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.hashes: dict[str, str] = {}
        try:
            self._check_end()
            self.zip = zipfile.ZipFile(file)
            infos = self.zip.infolist()
            self._check_names(infos)
            self._check_places(infos)
        except (OSError, EOFError, ValueError, struct.error, zipfile.BadZipFile) as error:
            raise Undecided(f"this is no zip archive that can be trusted: {error}") from None
        except (NotImplementedError, RuntimeError, OverflowError) as error:
            raise Undecided(f"this archive is of another kind: {error}") from None
        self.infos = {info.filename: info for info in infos}
        if REQUIRED - set(self.infos):
            missing = ", ".join(sorted(REQUIRED - set(self.infos)))
            raise Undecided(f"the bundle lacks {missing}")

    def _check_end(self) -> None:
        """Look at the end before anything is believed: how many files, and where their list is."""
        self.length = self.file.seek(0, io.SEEK_END)
        if self.length < 22:
            raise ValueError("it is too short")
        self.file.seek(max(self.length - 42, 0))
        tail = self.file.read()
        end = tail[-22:]
        if end[:4] != b"PK\x05\x06" or tail[-42:-38] == b"PK\x06\x07":
            raise ValueError("it does not end as it should")
        disk, start, here, count, size, self.directory, comment = struct.unpack("<4H2LH", end[4:])
        if disk or start or comment or here != count or not 0 < count <= MOST_FILES:
            raise ValueError(f"it has {count} files or parts")
        if self.directory + size != self.length - 22:
            raise ValueError("its list is not where it should be")

    def _check_names(self, infos: list[zipfile.ZipInfo]) -> None:
        total = 0
        for info in infos:
            name, limit = info.filename, LARGEST.get(info.filename, 0)
            if name in STREAMS:
                limit = MOST_BYTES
            elif NOTE.fullmatch(name):
                limit = LARGEST_NOTE
            if not limit or name != info.orig_filename:
                raise ValueError(f"it holds a file {_shown(name[:80])} that no bundle has")
            if info.external_attr >> 16 & 0o170000 not in (0, 0o100000):
                raise ValueError(f"{name} is no plain file")
            if info.flag_bits & ~0x800 or info.compress_type not in (0, 8):
                raise ValueError(f"{name} is packed in a way that no bundle is")
            if info.file_size > limit:
                raise ValueError(f"{name} is too large")
            if info.file_size > RATIO_FROM and info.file_size > RATIO * info.compress_size:
                raise ValueError(f"{name} would unpack to {info.file_size} bytes")
            total += info.file_size
        if len({info.filename for info in infos}) != len(infos) or total > MOST_BYTES:
            raise ValueError("it holds a file twice, or too much")

    def _check_places(self, infos: list[zipfile.ZipInfo]) -> None:
        """See that the files lie one after another, and say of themselves what the list says."""
        at = 0
        for info in sorted(infos, key=lambda each: each.header_offset):
            self.file.seek(at)
            local = struct.unpack("<4s5H3L2H", self.file.read(30))
            name, extra = self.file.read(local[9]), local[10]
            if info.header_offset != at or local[0] != b"PK\x03\x04" or local[2] != info.flag_bits:
                raise ValueError("something lies between its files")
            said = (info.compress_type, info.CRC, info.compress_size, info.file_size)
            if (local[3], *local[6:9]) != said or name != info.orig_filename.encode():
                raise ValueError(f"{info.filename} is two things at once")
            if extra or info.extra:
                raise ValueError(f"{info.filename} has something beside it")
            at += 30 + local[9] + info.compress_size
        if at != self.directory:
            raise ValueError("something lies between its files")

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a file in pieces, and keep its hash once it is read to its end."""
        digest = sha256()
        try:
            with self.zip.open(self.infos[name]) as stream:
                while True:
                    chunk = stream.read(CHUNK)
                    if not chunk:
                        break
                    digest.update(chunk)
                    yield chunk
        except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise Undecided(f"{name} cannot be read: {error}") from None
        except zlib.error as error:
            raise Undecided(f"{name} cannot be unpacked: {error}") from None
        self.hashes[name] = digest.hexdigest()

    def read(self, name: str) -> bytes:
        """Return a whole file; its size is bounded."""
        return b"".join(self.chunks(name))

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file without their ends, each of bounded length."""
        rest, longest = b"", STREAMS[name]
        for chunk in self.chunks(name):
            parts = (rest + chunk).split(b"\n")
            rest = parts.pop()
            if len(rest) > longest:
                raise Undecided(f"{name} has a line of more than {longest} bytes")
            yield from parts
        if rest:
            raise Undecided(f"{name} ends within a line")


# -- Entries -----------------------------------------------------------------------------

_TEXT = rb'"([^"\\\x00-\x1f]*)"'
_SOME = rb'(null|"[^"\\\x00-\x1f]*")'
_HASH = rb'"([0-9a-f]{64})"'
_SEQ = rb"([1-9][0-9]{0,17})"
LEAF = re.compile(
    rb'\{"action":' + _TEXT + rb',"actor_id":' + _TEXT + rb',"actor_kind":' + _TEXT
    + rb',"at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)","environment":' + _SOME
    + rb',"model":' + _SOME + rb',"model_version":(null|0|[1-9][0-9]{0,17}),"object":' + _TEXT
    + rb',"object_seq":' + _SEQ + rb',"payload_sha256":' + _HASH + rb',"prev_hash":' + _HASH
    + rb',"prev_object_hash":' + _HASH + rb',"request":' + _SOME + rb',"seq":' + _SEQ
    + rb',"subject":' + _TEXT + rb',"v":1\}'
)  # fmt: skip
NAMES = (
    *("action", "actor_id", "actor_kind", "at", "environment", "model", "model_version", "object"),
    *("object_seq", "payload_sha256", "prev_hash", "prev_object_hash", "request", "seq"),
    *("subject", "v"),
)


def leaf_fields(line: bytes, expected: int) -> Fields:
    """Return an entry's fields as bytes, in the order of ``NAMES``; canonical or refused."""
    found = LEAF.fullmatch(line)
    if found and (line.isascii() or _is_utf8(line)):
        return found.groups()
    where = f"entry {expected}"
    try:
        fields = DECODER.decode(line.decode())
        canonical = json.dumps(
            fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True
        ).encode()
    except (ValueError, RecursionError):
        raise Tampered(f"{where} is not JSON") from None
    if canonical != line:
        raise Tampered(f"{where} is not in canonical form")
    if not isinstance(fields, dict) or tuple(sorted(fields)) != NAMES:
        raise Tampered(f"{where} does not have the fields of an entry")
    if fields["v"] != 1:
        raise Undecided("{} is of version {}: use a newer verifier".format(where, fields["v"]))
    # A text with an escape in it: the same pattern without it says whether all else fits.
    plain = {
        k: re.sub(r'["\\\x00-\x1f]', "?", v) if isinstance(v, str) else v for k, v in fields.items()
    }
    again = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    if not LEAF.fullmatch(again):
        raise Tampered(f"{where} does not have the fields of an entry")
    texts = [fields[name] for name in NAMES[:-1]]
    quoted = {"environment", "model", "request"}
    return tuple(
        json.dumps(text, ensure_ascii=False).encode() if name in quoted or text is None
        else str(text).encode()
        for name, text in zip(NAMES[:-1], texts)  # noqa: B905 - 3.9 has no strict
    )  # fmt: skip


class Log:
    """The entries one after another: their chains, the tree over them, and their payloads."""

    def __init__(
        self,
        objects: set[bytes],
        checkpoints: list[Checkpoint],
        proofs: Proofs,
        old: Checkpoint | None = None,
    ) -> None:
        self.whole, self.named, self.proofs = not objects, objects, proofs
        self.newest = checkpoints[-1]
        self.sizes = {each.size: each for each in checkpoints}
        self.stops = {old.size, *self.sizes} if old else set(self.sizes)
        self.count = self.last = self.size = 0
        self.previous, self.at = GENESIS, b""
        self.roots: list[bytes] = []
        self.ends: dict[bytes, tuple[bytes, bytes]] = {}
        self.kept: dict[int, bytes] = {}
        self.good = 0
        self.wrong_roots: list[Checkpoint] = []
        self.erased: dict[int, int] = {}
        self.tombstones: dict[int, bytes] = {}

    def take(self, line: bytes, beside: bytes) -> tuple[Fields, bytes | None]:
        """Check one entry and what lies beside it; return its fields and its payload."""
        fields = leaf_fields(line, self.last + 1 if self.whole else self.count + 1)
        at, name, object_seq, sha, previous = fields[3], fields[7], fields[8], *fields[9:11]
        seq, leaf = int(fields[13]), sha256(b"\0" + line).digest()
        if seq != self.last + 1:
            self._refuse_place(seq)
        elif previous != self.previous:
            if not self.last:
                raise Tampered("entry 1 is not the first: it follows another one")
            raise Tampered(
                f"entry {self.last} is not the one that entry {seq} follows: one of them was"
                " edited, put in, or put elsewhere"
            )
        if at < self.at:
            raise Tampered(f"entry {seq}: its time is before that of the entry before it")
        linked = leaf.hex().encode()
        if self.whole or name in self.named:
            if self.ends.get(name, (b"0", GENESIS)) != (b"%d" % (int(object_seq) - 1), fields[11]):
                raise Tampered(f"entry {seq} does not follow its object's entry before it")
            self.ends[name] = object_seq, linked
        else:
            self._require_included(seq, leaf)
        if self.whole:
            self.size = grow(self.roots, leaf, self.size)
            if self.size in self.stops:
                self._stop()
        self.last, self.previous, self.at = seq, linked, at
        self.count += 1
        return fields, self._payload(seq, sha, beside)

    def _refuse_place(self, seq: int) -> None:
        if seq == self.last:
            raise Tampered(f"entry {seq} is there twice")
        if seq < self.last:
            raise Tampered(f"entry {seq} stands after entry {self.last}")
        if self.whole:
            raise Tampered(f"entry {self.last + 1} is missing: entry {seq} stands in its place")
        if seq > self.newest.size:
            raise Tampered(f"entry {seq} is not sealed by any checkpoint")

    def _require_included(self, seq: int, leaf: bytes) -> None:
        path = self.proofs.entries.get(str(seq))
        if path is None:
            raise Undecided(f"entry {seq} is of no object that is asked for, and has no proof")
        newest = self.newest
        if not includes(leaf, path, index=seq - 1, size=newest.size, root=newest.root):
            raise Tampered(f"entry {seq} is not in the log that was sealed")

    def _stop(self) -> None:
        """Keep the root here, and compare it with what was sealed."""
        root = self.kept[self.size] = join(self.roots)
        checkpoint = self.sizes.get(self.size)
        if checkpoint and root != checkpoint.root:
            self.wrong_roots.append(checkpoint)
        elif checkpoint and not self.wrong_roots:
            self.good = self.size

    def _payload(self, seq: int, sha: bytes, beside: bytes) -> bytes | None:
        """Return the payload's bytes, or None when it was erased."""
        parts = beside.split(b" ", 2)
        if len(parts) != 3 or parts[0] != b"%d" % seq:
            raise Tampered(f"entry {seq}: its payload is missing, or is another's")
        if parts[1] == b"erased":
            if not re.fullmatch(rb"[1-9][0-9]{0,17}", parts[2]) or int(parts[2]) <= seq:
                raise Tampered(f"entry {seq}: its payload is missing, and no entry says so")
            self.erased[seq] = int(parts[2])
            return None
        try:
            salt = bytes.fromhex(parts[1].decode())
        except ValueError:
            salt = b""
        if not 16 <= len(salt) <= 64 or salt.hex().encode() != parts[1]:
            raise Tampered(f"entry {seq}: its payload has no salt")
        if sha256(salt + parts[2]).hexdigest().encode() != sha:
            raise Tampered(f"entry {seq}: its payload is not the one that was recorded")
        return parts[2]

    def note_tombstone(self, fields: Fields) -> None:
        """Keep that an entry says of another one that its payload was erased."""
        if fields[0] == b"payload.erased":
            self.tombstones[self.last] = fields[14]

    def close(self) -> Ends:
        """Check what only the end tells: that nothing is cut off, and that all was sealed."""
        if self.whole and self.last != self.newest.size:
            if self.last > self.newest.size:
                raise Tampered(f"entry {self.newest.size + 1} is not sealed by any checkpoint")
            raise Tampered(
                f"entry {self.last + 1} is missing, with all after it:"
                f" {self.newest.size} entries were sealed at {self.newest.at}"
            )
        self._close_roots()
        ends = {name: (int(seq), last.decode()) for name, (seq, last) in self.ends.items()}
        leaves = {name: self._end_leaf(name, *end) for name, end in ends.items()}
        if self.whole:
            root = root_of(leaves[name] for name in sorted(leaves))
            if (len(ends), root) != (self.newest.objects, self.newest.objects_root):
                raise Tampered("the ends of the objects are not those that were sealed")
        else:
            for name in sorted(self.named):
                self._require_end(name, ends.get(name, (0, ""))[0], leaves.get(name))
        for seq, by in sorted(self.erased.items()):
            if self.tombstones.get(by) != b"entry:%d" % seq:
                raise Tampered(
                    f"entry {seq}: its payload is missing, and entry {by} does not say so"
                )
        return ends

    def _close_roots(self) -> None:
        if not self.wrong_roots:
            return
        first = self.wrong_roots[0]
        which = f"entries {self.good + 1} to {first.size}"
        bad = f"{which} are not those that were sealed at {first.at}"
        if self.newest not in self.wrong_roots:
            raise Tampered(
                f"{bad}: a later checkpoint fits, so the log went back (an old backup) and took"
                " another way"
            )
        raise Tampered(f"{bad}: one of them was changed, and all after it chained anew")

    @staticmethod
    def _end_leaf(name: bytes, seq: int, last: str) -> bytes:
        return sha256(b"\0" + b"%s\n%d\n%s\n" % (name, seq, last.encode())).digest()

    def _require_end(self, name: bytes, seq: int, leaf: bytes | None) -> None:
        """See that an object's last entry is the last one that was sealed of it."""
        proof, newest = self.proofs.objects.get(name.decode()), self.newest
        if leaf is None or proof is None:
            raise Tampered(f"the entries of {_shown(name.decode())} are missing")
        index, path = proof
        root = newest.objects_root
        if not includes(leaf, path, index=index, size=newest.objects, root=root):
            raise Tampered(f"{_shown(name.decode())}: entries after its {seq}th are missing")


# -- The lifecycle, replayed -------------------------------------------------------------

ARROWS = {
    *(("trained", "dark"), ("trained", "production"), ("trained", "retired")),
    *(("dark", "production"), ("dark", "retired"), ("production", "dark")),
    *(("production", "retired"), ("production", "trained"), ("retired", "dark")),
    ("retired", "production"),
}


class Replay:
    """What follows from the entries alone: the *statements* a report may make.

    ``statements()`` is the contract: a report holds exactly this under ``statements``, and
    whoever changes it changes ``STATEMENTS`` and docs/audit-bundle.md. A payload that was
    erased leaves ``"unknown"`` where it would have told something.
    """

    def __init__(self, *, each: bool = False) -> None:
        self.each = each
        self.approvals = 0
        self.actions: Counter[bytes] = Counter()
        self.deployments: dict[tuple[str, int, str], tuple[str, str, int]] = {}
        self.champions: dict[tuple[str, str], int] = {}
        self.requests: dict[str, dict[str, Any]] = {}
        self.states: dict[bytes, str] = {}
        self.adopted: list[int] = []
        self.first = self.last = b""

    def take(self, fields: Fields, payload: bytes | None) -> None:
        """Take one entry."""
        action = fields[0]
        self.actions[action] += 1
        self.first, self.last = self.first or fields[3], fields[3]
        if action.startswith(b"deployment."):
            self._deployment(fields, _payload_of(payload, fields))
        elif fields[14].startswith((b"request:", b"approval:")):
            self._request(fields, _payload_of(payload, fields))
        elif action == b"log.history_adopted":
            self.adopted.append(int(fields[13]))

    def _deployment(self, fields: Fields, said: dict[str, Any]) -> None:
        place, seq = (_plain(fields[5]), int(fields[6]), _plain(fields[4])), int(fields[13])
        state, role = (str(said.get(name, "unknown")) for name in ("state", "role"))
        before = self.deployments[place][0] if place in self.deployments else None
        known = {before, state} - {"unknown"}
        if before is None and state not in ("trained", "unknown"):
            raise Tampered(f"entry {seq}: a version begins as trained, not as {_shown(state)}")
        if before is not None and len(known) == 2 and (before, state) not in ARROWS:
            raise Tampered(f"entry {seq}: no arrow leads from {before} to {_shown(state)}")
        where = (place[0], place[2])
        if role == "champion":
            other = self.champions.setdefault(where, place[1])
            if other != place[1]:
                raise Tampered(f"entry {seq}: version {other} is still the champion")
        elif self.champions.get(where) == place[1]:
            del self.champions[where]
        self.deployments[place] = (state, role, seq)

    def _request(self, fields: Fields, said: dict[str, Any]) -> None:
        is_approval = fields[14].startswith(b"approval:")
        self.approvals += is_approval
        if not is_approval:
            self.states[fields[12]] = sys.intern(str(said.get("state", "unknown")))
        if not self.each:  # Of a whole log there may be a million: the last state will do.
            return
        request = self.requests.setdefault(_plain(fields[12]), {"approvals": []})
        if is_approval:
            names = ("person", "role", "meaning", "content_hash")
            signed: dict[str, Any] = {name: str(said.get(name, "unknown")) for name in names}
            decision = "reject" if fields[0] == b"request.rejected" else "approve"
            signed |= {"entry": int(fields[13]), "decision": decision}
            request["approvals"].append(signed)
            return
        if "entry" not in request:
            request |= {
                "entry": int(fields[13]),
                "model": _plain(fields[5]),
                "version": int(fields[6]) if fields[6] != b"null" else None,
                "environment": _plain(fields[4]),
                "kind": str(said.get("kind", "unknown")),
                "content_hash": str(said.get("content_hash", "unknown")),
            }
            self.requests[_plain(fields[12])] = request
        request["state"], request["last"] = str(said.get("state", "unknown")), int(fields[13])

    def statements(self, log: Log, ends: Ends) -> dict[str, Any]:
        """Return the statements, as JSON has them."""
        newest = log.newest
        found: dict[str, Any] = {
            "schema": STATEMENTS,
            "log": {"origin": newest.origin, "size": newest.size, "root": newest.root.hex()},
            "first_at": self.first.decode(),
            "last_at": self.last.decode(),
            "entries": log.count,
            "objects": {
                name.decode(): {"entries": seq, "last": last}
                for name, (seq, last) in ends.items()
                if log.whole or name in log.named
            },
            "by_action": {action.decode(): count for action, count in self.actions.items()},
            "deployments": [
                {
                    "model": place[0], "version": place[1], "environment": place[2],
                    "state": state, "role": role, "entry": seq,
                }
                for place, (state, role, seq) in sorted(self.deployments.items())
            ],
            "champions": [
                {"model": model, "environment": environment, "version": version}
                for (model, environment), version in sorted(self.champions.items())
            ],
            "requests": {
                "count": len(self.states),
                "by_state": dict(Counter(self.states.values())),
                "approvals": self.approvals,
            },
            "erased": sorted(log.erased),
            "histories_adopted": self.adopted,
        }  # fmt: skip
        if self.each:
            found["requests"]["each"] = {
                str(name): request for name, request in sorted(self.requests.items(), key=str)
            }
        return found


def _payload_of(payload: bytes | None, fields: Fields) -> dict[str, Any]:
    """Read a payload that tells something; of one that was erased, nothing is known."""
    if payload is None:
        return {}
    try:
        found = DECODER.decode(payload.decode())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Tampered(f"entry {int(fields[13])}: its payload is not JSON")
    return found


def _plain(quoted: bytes) -> str:
    """Read a text as it stands in a leaf, in quotes; null is empty."""
    if quoted == b"null":
        return ""
    return str(json.loads(quoted.decode())) if b"\\" in quoted else quoted[1:-1].decode()


# -- The report, held against the entries it names ---------------------------------------

CITING = ("lockgate.lineage/1", "lockgate.lineage-scope/1")
SAMPLE = "lockgate.audit-sample/1"
OPEN = {"not supplied", "none", "unknown", "erased", "all", "every tier", "goes on"}
"""What a report says where an entry says nothing."""
WHO = ("by", "account", "granted_by")
REASONS = ("reason", "comment", "why", "detail")
FACTS = {
    *("finding", "severity", "title", "text", "owner", "due", "resolution", "evidence", "tier"),
    *("name", "person", "reason", "detail", "comment", "holder", "scope", "rule", "ticket"),
    *("meaning", "method", "verdict", "trigger", "number", "sha256", "expires_at", "role"),
}
"""Facts that a payload need not have: then a row says so in a word of ``OPEN``."""


class Cited:
    """Where a report names an entry, what it says beside that number is the entry's.

    A row of a report names its entry as ``entry``. Every other member of it that has the name
    of a field of the leaf, or of a fact in the payload, says the same as that; ``by`` names the
    actor, and ``said`` is the first of ``REASONS`` that the payload has. ``began_by`` and
    ``ended_by`` are the entries of ``from`` and ``until``. What entries name by SHA-256 lies in
    ``proof.documents``, and whatever was read from it says the same.
    """

    def __init__(self, report: Any) -> None:
        self.rows: dict[int, list[tuple[str, dict[str, Any]]]] = {}
        self.documents: dict[str, Any] = {}
        is_known = isinstance(report, dict) and report.get("schema") in CITING
        body = report.get("body") if is_known else None
        if isinstance(body, dict):
            self._read_documents(body)
            self._walk({name: body[name] for name in body if name != "proof"}, "body")

    def take(self, fields: Fields, payload: bytes | None) -> None:
        """Hold what the report says of an entry against it."""
        for name, row in self.rows.pop(int(fields[13]), ()):
            said = _payload_of(payload, fields)
            where = f"entry {int(fields[13])}: the report's {name}"
            if row.get(name) == int(fields[13]) and name in ("began_by", "ended_by"):
                time = row.get("from" if name == "began_by" else "until")
                _agree(time, fields[3].decode(), where)
                _agree(row.get("environment"), _plain(fields[4]), where)
                continue
            leaf = {
                "at": fields[3].decode(), "action": fields[0].decode(),
                "environment": _plain(fields[4]), "subject": fields[14].decode(),
                "request": _plain(fields[12]),
                "version": int(fields[6]) if fields[6] != b"null" else "",
            }  # fmt: skip
            erased = payload is None
            for member in sorted(set(row) & (set(leaf) | set(said)) - {"entry", *WHO}):
                true = leaf[member] if member in leaf else said[member]
                _agree(row[member], true, f"{where}, its {member},")
            for member in sorted((FACTS & set(row)) - set(leaf) - set(said)):
                _agree(row[member], "", f"{where}, its {member},")
            if "said" in row:
                reasons = [str(said[name]) for name in REASONS if said.get(name)]
                first = "erased" if erased else (reasons or [""])[0]
                _agree(row["said"], first, f"{where}, what it said,")
            for member in WHO:
                if member in row:
                    who = {"kind": fields[2].decode(), "id": fields[1].decode()}
                    who["name"] = "erased" if erased else str(said.get("actor", ""))
                    _agree(row[member], who, f"{where}, its {member},")

    def close(self) -> None:
        """Refuse a report that names entries which are not there."""
        if self.rows:
            raise Tampered(f"the report names entry {min(self.rows)}, which is not in the bundle")

    def _walk(self, value: Any, where: str) -> None:
        if isinstance(value, dict):
            for name in ("entry", "began_by", "ended_by"):
                if type(value.get(name)) is int:
                    self.rows.setdefault(value[name], []).append((name, value))
            self._hold_against_document(value, where)
            for name, inner in value.items():
                self._walk(inner, f"{where}.{name}")
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                self._walk(inner, f"{where}[{index}]")

    def _read_documents(self, body: dict[str, Any]) -> None:
        for row in body["proof"]["documents"] if "proof" in body else ():
            text = row["document"].encode()
            if sha256(text).hexdigest() != row["sha256"]:
                raise Tampered(f"the report's document of {_shown(row['subject'])} was changed")
            self.documents[row["sha256"]] = DECODER.decode(text.decode())

    def _hold_against_document(self, row: dict[str, Any], where: str) -> None:
        content = row.get("content")
        if isinstance(content, dict) and "gates" in row:
            frozen = self._document(content.get("evidence_sha256"), where)
            _agree(row["gates"], frozen.get("gates"), f"the report's {where}.gates")
        given = row.get("document", "none")
        if not (isinstance(given, str) and given in OPEN):
            attested = self._document(row.get("sha256"), where)
            _agree(row["document"], attested, f"the report's {where}.document")

    def _document(self, digest: Any, where: str) -> dict[str, Any]:
        found = self.documents.get(str(digest))
        if not isinstance(found, dict):
            raise Tampered(f"the document that the report's {where} is read from is missing")
        return found


def _agree(said: Any, true: Any, where: str) -> None:
    """Compare what a report says with what is so; a blank is said in a word."""
    if true in (None, "", {}, []) and isinstance(said, str) and said in OPEN:
        return
    if said != _filled(true):
        raise Tampered(
            f"{where} is {_shown(json.dumps(said)[:120])}, and it is recorded as"
            f" {_shown(json.dumps(true)[:120])}"
        )


def _filled(value: Any) -> Any:
    """Write a document as a report does: with a word where it is blank."""
    if isinstance(value, dict):
        return {key: _filled(inner) for key, inner in value.items()} or "not supplied"
    if isinstance(value, list):
        return [_filled(inner) for inner in value]
    return "not supplied" if value is None or value == "" else value


# -- A version's report, derived from the entries ------------------------------------------

SECTIONS = {
    *("schema", "header", "inventory", "artifact", "origin", "validation", "dark_evidence"),
    *("lifecycle", "deployment_record", "aftermath", "access", "retirement", "completeness"),
    *("controls", "proof"),
}
REQUEST_ENDS = {
    "request.rejected": "rejected", "request.withdrawn": "withdrawn", "request.voided": "voided",
    "request.expired": "expired", "request.executed": "done", "request.superseded": "superseded",
}  # fmt: skip
STEERED = ("rollout.paused", "rollout.resumed", "rollout.aborted")
ALONE = ("break_glass", "rollback", "stop")
APART = (
    *({"requester", "approver"}, {"author", "approver"}, {"requester", "waiver"}),
    *({"author", "waiver"}, {"requester", "reviewer"}, {"author", "reviewer"}),
    {"executor", "reviewer"},
)
"""Duties that one person may not have in one change."""
ON_HOSTS = ("agent.rolled_back", "agent.resumed")
INCIDENTS = ("incident.opened", "incident.closed")
GONE = ("agent.left", "agent.evicted", "agent.decommissioned")
SERVES = "agent.changed_serving"
DARK_GATES = ("dark_pairs", "dark_comparison", "dark_limit", "dark_first", "latency")
LISTED = (
    ("attempt.refused", ("lifecycle", "refused")),
    ("version.attested", ("validation", "reports")),
    ("finding.recorded", ("validation", "findings")),
    ("waiver.given", ("dark_evidence", "waivers")),
    ("version.reviewed", ("aftermath", "live_reviews")),
)
"""Every entry of the version with this action has its row there."""
GAPS = (
    *("access.log_reads", "aftermath.drift", "artifact.provenance"),
    *("dark_evidence.periods.expected", "dark_evidence.periods.dropped"),
    *("dark_evidence.periods.coverage", "retirement.retired.retained_until"),
    "retirement.retired.agents.files_removed",
)
"""What no entry tells: a report has a word for it there, and nothing else."""
ADDED = ("exposure", "limitations", "vendor", "downstream", "retention")
MOST_TOLD = 1_000_000


class Told(NamedTuple):
    """One entry that a report says something from."""

    seq: int
    at: str
    action: str
    kind: str
    subject: str
    environment: str
    request: str
    version: int | None
    facts: dict[str, Any]
    erased: bool
    object: str
    object_seq: int
    hash: str

    def text(self, name: str) -> str:
        """One text of the payload, as a report writes it."""
        value = self.facts.get(name)
        return "erased" if self.erased else "" if value is None else str(value)

    @property
    def id(self) -> str:
        """The id of what the entry is about."""
        return self.subject.partition(":")[2]


class Life:
    """Which rows a version's report has to have, and what it puts together of several entries.

    ``Cited`` holds each row against the entry that it names. This holds that no row was left
    out, put in, put elsewhere or taken off its entry, by doing again what the report does:
    entries in, rows out. Entries after the report's size are of no concern to it.
    """

    def __init__(self, report: Any, cited: Cited, *, sealed: int) -> None:
        is_known = isinstance(report, dict) and report.get("schema") == CITING[0]
        self.body: dict[str, Any] | None = report.get("body") if is_known else None
        self.cited = cited
        self.subjects: set[str] = set()
        self.chain: list[tuple[int, str]] = []
        self.seen: dict[int, tuple[str, str]] = {}
        self.own: list[Told] = []
        self.beside: list[Told] = []
        self.others: list[Told] = []
        self.last: tuple[int, str, str] = (0, "", "")
        if is_known:
            with _shaped():
                header = report["body"]["header"]
                self.size, scope = int(header["log"]["size"]), header["scope"]
                self.object, self.version = f"model:{scope['model']}", int(scope["version"])
                if not 0 < self.size <= sealed:
                    raise Tampered(f"the report is of {self.size} entries, and {sealed} are sealed")

    def take(self, fields: Fields, payload: bytes | None, linked: bytes) -> None:
        """Keep one entry, if the report is one that tells of it."""
        seq = int(fields[13])
        if self.body is None or seq > self.size:
            return
        if len(self.seen) >= MOST_TOLD:
            raise Undecided(f"a report of more than {MOST_TOLD} entries is not read")
        self.seen[seq] = linked.decode(), fields[9].decode()
        self.last = (seq, fields[3].decode(), linked.decode())
        action, subject = fields[0].decode(), fields[14].decode()
        version = int(fields[6]) if fields[6] != b"null" else None
        is_chain = fields[7].decode() == self.object
        is_own = is_chain and (version == self.version or subject in self.subjects)
        is_own |= is_chain and subject.startswith("model:")
        if is_own and subject.startswith(("version:", "request:")):
            self.subjects.add(subject)  # Not every later entry about it names the version.
        if is_chain:
            self.chain.append((seq, action))
        if is_own or not is_chain or action in ("request.opened", *INCIDENTS, *ON_HOSTS):
            kept = self.own if is_own else self.beside if is_chain else self.others
            kept.append(_told(fields, payload, linked))

    def close(self) -> None:
        """Hold the whole body against the entries."""
        if self.body is None:
            return
        with _shaped():
            _require_sections(self.body, SECTIONS)
            self._identity()
            self._completeness()
            requests = self._lifecycle()
            self._listed()
            self._dark(requests)
            self._agents(requests)
            self._aftermath(requests)
            self._access(requests)
            self._controls()
            for where in GAPS:
                _is_open(self.body, where.split("."), where)

    def _first(self, action: str) -> Told | None:
        return next((one for one in self.own if one.action == action), None)

    def _of(self, action: str) -> list[Told]:
        return [one for one in self.own if one.action == action]

    def _hold(self, where: str, derived: Any) -> None:
        """Compare one place of the body with what follows from the entries."""
        said: Any = self.body
        for name in where.split("."):
            said = said[name]
        _same(said, _filled(derived) if derived not in ({}, None, "") else said, f"body.{where}")
        if derived in ({}, None, "") and not (isinstance(said, str) and said in OPEN):
            raise Tampered(f"the report's body.{where} says something that no entry says")

    # What it is

    def _identity(self) -> None:
        made, model = self._first("version.registered"), self._first("model.registered")
        if made is None or model is None:
            raise Tampered(f"version {self.version} of {_shown(self.object)} is not in the log")
        since = next(one.at for one in self.own if one.version == self.version)
        self.since = since
        self.places = sorted({one.environment for one in self.own if one.environment})
        self.digest = made.facts.get("digest") or self._body("header.scope.digest")
        self._hold("header.scope.from", since)
        self._hold("header.scope.environments", self.places)
        if self.last[0] == self.size:
            self._hold("header.scope.as_of", self.last[1])
            self._hold("header.log.head", self.last[2])
        self._hold("proof.head.size", self.size)
        self._hold("proof.head.hash", self._body("header.log.head"))
        self._hold("inventory.model", self.object.partition(":")[2])
        self._hold("inventory.version", self.version)
        self._hold("inventory.model_id", model.id)
        self._registered(made, model)
        self._inspected()
        self._cards()
        states: dict[str, Any] = {}
        for one in self.own:
            if one.action.startswith("deployment."):
                states[one.environment] = {
                    "state": one.text("state"), "role": one.text("role") or "none",
                    "since": one.at, "entry": one.seq,
                }  # fmt: skip
        self.states = states
        self._hold("inventory.states", states)

    def _registered(self, made: Told, model: Told) -> None:
        """What the entries of the registrations say, as far as it was not erased."""
        for place in ("header.scope.digest", "inventory.digest", "artifact.manifest.sha256"):
            self._hold(place, self.digest)
        if "authors" in made.facts:
            self._hold("inventory.developers", made.facts["authors"])
        if "files" in made.facts:
            said = [[file["path"], file["sha256"]] for file in self._body("artifact.files")]
            true = [[file["path"], file["sha256"]] for file in made.facts["files"]]
            _same(sorted(said), sorted(true), "body.artifact.files")
        for name in ("owner", "purpose", "risk_tier", "regimes", "group", "latency_budget_ms"):
            if name in model.facts:
                where = f"the report's body.inventory.{name}"
                _agree(self._body(f"inventory.{name}"), model.facts[name], where)

    def _inspected(self) -> None:
        inspected = self._of("version.inspected")
        if not inspected:
            self._hold("artifact.inspection.status", "inspecting")
        elif not inspected[-1].erased:
            self._hold("artifact.inspection.status", inspected[-1].text("status"))

    def _cards(self) -> None:
        """What model cards added is what the newest of them says, by its document."""
        cards = [one for one in self._of("version.attested") if one.text("kind") == "model_card"]
        for name in ADDED:
            found: Any = ""
            for one in cards:
                document = self.cited.documents.get(one.text("sha256"))
                value = document.get(name) if isinstance(document, dict) else None
                if value not in (None, "", [], {}):
                    found = {"said": value, "added_by_entry": one.seq}
            self._hold(f"inventory.{name}", found)
        later = [one.seq for one in self._of("version.attested") if one.text("kind") == "lineage"]
        rows = self._body("origin.added_later")
        _in_turn([] if rows == "not supplied" else rows, later, "origin.added_later")

    def _body(self, where: str) -> Any:
        said: Any = self.body
        for name in where.split("."):
            said = said[name]
        return said

    def _completeness(self) -> None:
        own = [one.seq for one in self.own]
        _in_turn(self._body("lifecycle.timeline"), own, "lifecycle.timeline")
        self._hold("completeness.object", self.object)
        self._hold("completeness.entries_of_the_model", len(self.chain))
        self._hold("completeness.first", 1)
        self._hold("completeness.last", len(self.chain))
        self._hold("completeness.is_gapless", derived=True)
        beside = len(self._body("proof.payloads")) - len(own)
        self._hold("completeness.entries_beside", beside)
        self._hold("completeness.entries_of_this_version", len(own))
        self._hold("completeness.by_action", dict(Counter(one.action for one in self.own)))
        self._hold(
            "completeness.model_by_action", dict(Counter(action for _, action in self.chain))
        )
        _in_turn(self._body("proof.chain"), [seq for seq, _ in self.chain], "proof.chain", "seq")
        for row in (*self._body("proof.chain"), *self._body("proof.others")):
            leaf = sha256(b"\0" + row["leaf"].encode()).hexdigest()
            if {leaf, row["hash"]} != {self.seen[row["seq"]][0]}:
                raise Tampered("entry {}: the report gives another one".format(row["seq"]))
        for row in self._body("proof.payloads"):
            salted = b"" if row["salt"] == "erased" else bytes.fromhex(row["salt"])
            given = sha256(salted + row["payload"].encode()).hexdigest()
            if salted and given != self.seen[row["seq"]][1]:
                raise Tampered("entry {}: the report gives another payload".format(row["seq"]))

    # What was decided

    def _lifecycle(self) -> list[dict[str, Any]]:
        grouped: dict[str, list[Told]] = {}
        for one in self.own:
            if one.request:
                grouped.setdefault(one.request, []).append(one)
        mine = {
            pk: found
            for pk, found in grouped.items()
            if any(one.action == "request.opened" for one in found)
        }
        opened = {
            pk: next(one for one in found if one.action == "request.opened")
            for pk, found in mine.items()
        }
        rows: list[dict[str, Any]] = self._body("lifecycle.requests")
        _in_turn(rows, [one.seq for one in opened.values()], "lifecycle.requests")
        for row, (pk, found) in zip(rows, mine.items()):  # noqa: B905 - 3.9 has no strict
            _request_holds(row, opened[pk], found)
        others = set(grouped) - set(mine)
        self.moved = [
            one for one in self.beside if one.action == "request.opened" and one.request in others
        ]
        moved = self._body("lifecycle.moved_by_others")
        _in_turn(moved, [one.seq for one in self.moved], "lifecycle.moved_by_others")
        _same([row["id"] for row in moved], [one.request for one in self.moved],
              "body.lifecycle.moved_by_others")  # fmt: skip
        for row, one in zip(self._body("lifecycle.timeline"), self.own):  # noqa: B905
            _agree(row["state"], one.text("state"), f"entry {one.seq}: the state it led to")
        self.opened = opened
        self._proof()
        return rows

    def _proof(self) -> None:
        """The annex has what the report is made from, and documents of what it tells of."""
        others = [one.seq for one in self.others if one.action != "payload.erased"]
        _in_turn(self._body("proof.others"), others, "proof.others", "seq")
        beside = [one.seq for one in self.beside if one.action in (*INCIDENTS, *ON_HOSTS)]
        used = {*(one.seq for one in (*self.own, *self.moved)), *beside, *others}
        _in_turn(self._body("proof.payloads"), sorted(used), "proof.payloads", "seq")
        known = {("evidence", f"request:{pk}") for pk in self.opened}
        known |= {(one.text("kind"), one.subject) for one in self._of("version.attested")}
        for row in self._body("proof.documents"):
            if (row["what"], row["subject"]) not in known:
                raise Tampered("the report's documents are of {}".format(_shown(row["subject"])))

    def _listed(self) -> None:
        for action, (section, name) in LISTED:
            true = [one.seq for one in self._of(action)]
            _in_turn(self._body(f"{section}.{name}"), true, f"{section}.{name}")
        closed = {one.subject: one.seq for one in self._of("finding.closed")}
        ends = [closed.get(one.subject) for one in self._of("finding.recorded")]
        _ends_so(self._body("validation.findings"), "closed", ends, "validation.findings")
        reports = self._body("validation.reports")
        for row, one in zip(reports, self._of("version.attested")):  # noqa: B905
            by = one.facts.get("by_author")
            independent: Any = not by if isinstance(by, bool) else "unknown"
            _same(row["independent"], independent, "body.validation.reports.independent")
        found = {
            str(person)
            for row in reports
            if row["kind"] == "validation_report" and row["independent"] is True
            for person in (row["persons"] if isinstance(row["persons"], list) else [])
        }
        self._hold("inventory.validator", sorted(found) or "")
        published = [one.seq for one in self.others if one.action == "policy.published"]
        _in_turn(self._body("header.policies"), published, "header.policies")

    def _dark(self, requests: list[dict[str, Any]]) -> None:
        where = "dark_evidence.periods"
        rows, true = self._body(where), self._dark_periods()
        _in_turn(rows, [period["began_by"] for period in true], where, name="began_by")
        told = set()
        for row, period in zip(rows, true):  # noqa: B905 - 3.9 has no strict
            _same({name: row[name] for name in period}, _filled(period), where)
            judged = [
                verdict
                for asked in requests
                if asked["environment"] == period["environment"] and period["from"] <= asked["at"]
                and (period["until"] == "goes on" or asked["at"] <= period["until"])
                for verdict in _verdicts(asked)
            ]  # fmt: skip
            told |= {(one["request"], one["gate"]) for one in judged}
            _same(row["judged"], judged, f"{where}.judged")
            here = [w for w in self._body("dark_evidence.waivers")
                    if w["environment"] == period["environment"]]  # fmt: skip
            _same(row["waivers"], here, f"{where}.waivers")
        elsewhere = [v for asked in requests for v in _verdicts(asked)
                     if (v["request"], v["gate"]) not in told]  # fmt: skip
        self._hold("dark_evidence.judged_otherwise", elsewhere)
        for row, one in zip(self._body("dark_evidence.waivers"), self._of("waiver.given")):  # noqa: B905
            counted = [
                asked["id"]
                for asked in requests
                for gate in asked["gates"]
                for facts in [gate["facts"]]
                if isinstance(facts, dict) and str(facts.get("waiver", "")) == one.id
            ]
            _same(row["counted_for"], counted, "body.dark_evidence.waivers.counted_for")
            _agree(row["until"], one.text("expires_at"), f"entry {one.seq}: the waiver's end")

    def _dark_periods(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        running: dict[str, dict[str, Any]] = {}
        for one in self.own:
            if not one.action.startswith("deployment."):
                continue
            is_dark, before = one.text("state") == "dark", running.get(one.environment)
            if is_dark and before is None:
                shares = [
                    each.facts.get("mirror_fraction") for each in self.others
                    if each.action == "target.defined" and each.environment == one.environment
                    and each.seq < one.seq and each.facts.get("mirror_fraction")
                ]  # fmt: skip
                running[one.environment] = {
                    "environment": one.environment, "from": one.at, "began_by": one.seq,
                    "until": "goes on", "ended_by": "none", "then": "dark",
                    "mirrored_share": shares[-1] if shares else "",
                }  # fmt: skip
                found.append(running[one.environment])
            elif before is not None and not is_dark:
                then = one.text("role") or one.text("state")
                running.pop(one.environment).update(until=one.at, ended_by=one.seq, then=then)
        return found

    # What ran

    def _agents(self, requests: list[dict[str, Any]]) -> None:
        where = "deployment_record.serving"
        served = self.served = self._served()
        _in_turn(self._body(where), [r["began_by"] for r in served], where, name="began_by")
        _same(self._body(where), _filled(served), f"body.{where}")
        self._hold("deployment_record.unknown", _gaps(self.others, self.own))
        kinds = {asked["id"]: asked["kind"] for asked in requests}
        attempts: dict[str, list[Told]] = {}
        for one in self.own:
            if one.action.startswith("rollout."):
                attempts.setdefault(one.id, []).append(one)
        rows = self._body("deployment_record.rollouts")
        tiers = {"deploy_dark": "dark", "retire": "dark"}
        true = [
            [pk, of[0].request, of[0].environment, tiers.get(kinds.get(of[0].request, ""), "live")]
            for pk, of in attempts.items()
        ]
        said = [
            [row[name] for name in ("rollout", "request", "environment", "tier")] for row in rows
        ]
        _same(said, true, "body.deployment_record.rollouts")
        spans = []
        for row, found in zip(rows, attempts.values()):  # noqa: B905 - 3.9 has no strict
            attempt = f"entry {found[0].seq}: the rollout's attempt"
            _agree(row["attempt"], found[0].facts.get("attempt"), attempt)
            where = "deployment_record.rollouts.steps"
            _in_turn(row["steps"], [one.seq for one in found], where)
            given = [g for one in found for g in [one.facts.get("generation")] if type(g) is int]
            if given:
                spans.append((row["environment"], row["tier"], min(given), max(given)))
        refused = [
            one.seq
            for one in self.others
            for generation in [one.facts.get("generation")]
            if one.action == "agent.refused_state" and type(generation) is int
            for place in [(one.environment, one.text("tier"))]
            if any(place == span[:2] and span[2] <= generation <= span[3] for span in spans)
        ]
        where = "deployment_record.refused_states"
        _in_turn(self._body(where), refused, where)

    def _served(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        running: dict[tuple[str, str], dict[str, Any]] = {}
        for one in self.others:
            if one.action != SERVES and one.action not in GONE:
                continue
            after = one.facts.get("after") if one.action == SERVES else None
            now = {
                str(row.get("role"))
                for row in (after if isinstance(after, list) else [])
                if isinstance(row, dict) and row.get("digest") == self.digest
            }
            for key in [key for key in running if key[0] == one.subject and key[1] not in now]:
                running.pop(key).update(until=one.at, ended_by=one.seq)
            for role in sorted(now):
                if (one.subject, role) not in running:
                    running[one.subject, role] = {
                        "agent": one.text("name"), "agent_id": one.id,
                        "environment": one.environment, "role": role,
                        "generation": one.facts.get("generation"), "from": one.at,
                        "began_by": one.seq, "until": "goes on", "ended_by": "none",
                    }  # fmt: skip
                    found.append(running[one.subject, role])
        return found

    # What became of it

    def _aftermath(self, requests: list[dict[str, Any]]) -> None:
        reviews = [review for row in requests if isinstance(row["break_glass"], dict)
                   for review in row["break_glass"]["review"]]  # fmt: skip
        where = "aftermath.reviews"
        _in_turn(self._body(where), [review["entry"] for review in reviews], where)
        rows, true = self._body("aftermath.rollbacks"), self._rollbacks()
        _in_turn(rows, [seq for seq, *_ in true], "aftermath.rollbacks")
        said = [[row["entry"], row["way"], row["direction"]] for row in rows]
        _same(said, true, "body.aftermath.rollbacks")
        reviewed = self._of("version.reviewed")
        if not (reviewed and reviewed[-1].erased):
            self._hold(
                "aftermath.next_review", reviewed[-1].facts.get("next_by") if reviewed else ""
            )
        self._incidents()
        rows = self._body("retirement")
        said = [[row["environment"], row["state"]] for row in rows]
        _same(said, [[p, s["state"]] for p, s in self.states.items()], "body.retirement")
        retired = [s["entry"] if s["state"] == "retired" else None for s in self.states.values()]
        _ends_so(rows, "retired", retired, "retirement")
        for row in rows:
            if isinstance(row["retired"], dict):
                self._left(row["retired"], row["environment"])

    def _left(self, said: dict[str, Any], place: str) -> None:
        """How a version left a place: replaced by what, and until when it answered there."""
        last = next(one for one in self.own if one.seq == said["entry"])
        here = [row for row in self.served if row["environment"] == place]
        ends = [row["until"] for row in here]
        agents = {(row["agent_id"], row["role"]): row for row in here}
        because = next((one for one in self.moved if one.request == last.request), None)
        asked = because or self.opened.get(last.request)
        signed = [
            one.text("name")
            for one in self.own
            if one.request == last.request and one.subject.startswith("approval:")
        ]
        true: dict[str, Any] = {
            "last_scoring": "goes on"
            if "goes on" in ends
            else max(ends or [""]) or "never, by what agents said",
            "held_for_rollback": last.text("hold") or "unknown",
            "replaced_by_version": because.version if because else "none",
            "signed_by": [] if because else signed,
        }
        _same({name: said[name] for name in true}, true, "body.retirement.retired")
        rows = [[row["agent"], row["answered_until"], row["entry"]] for row in said["agents"]]
        ended = [[row["agent"], row["until"], row["ended_by"]] for row in agents.values()]
        _same(rows, ended, "body.retirement.retired.agents")
        _ends_so([said], "because", [asked.seq if asked else None], "retirement")

    def _rollbacks(self) -> list[list[Any]]:
        last = {one.request: one for one in self.moved if one.text("kind") == "rollback"}
        found = [[one.seq, "manual", "to another version"] for one in last.values()]
        for one in self.own:
            asked = self.opened.get(one.request)
            kind = asked.text("kind") if asked else ""
            if one.action == "request.opened" and one.text("kind") == "rollback":
                found.append([one.seq, "manual", "to this version"])
            elif one.action in ("deployment.retired", "deployment.recalled") and (
                kind in ("promote", "break_glass")
            ):
                if one.facts.get("why"):
                    found.append([one.seq, "automatic", "away from this version"])
            elif one.action == "deployment.restored" and one.facts.get("why"):
                found.append([one.seq, "automatic", "to this version"])
        for these, direction in (
            (self.own, "to this version"),
            (self.beside, "to another version"),
        ):
            found += [
                [one.seq, "local, ended" if one.action == "agent.resumed" else "local", direction]
                for one in these
                if one.action in ON_HOSTS
            ]
        return sorted(found, key=lambda row: int(row[0]))

    def _incidents(self) -> None:
        found: dict[str, list[Told]] = {}
        model = {one.seq for one in self.beside}
        for one in sorted((*self.beside, *self.others), key=lambda each: each.seq):
            if one.action == "incident.opened" and (
                one.seq in model or one.environment in self.places
            ):
                found[one.subject] = [one]
            elif one.action == "incident.closed" and one.subject in found:
                found[one.subject] = [found[one.subject][0], one]
        known = [each for each in found.values() if len(each) == 1 or each[1].at >= self.since]
        where = "aftermath.incidents"
        _in_turn(self._body(where), [each[0].seq for each in known], where)
        said = [[row["incident"], row["with"]] for row in self._body(where)]
        true = [
            [each[0].id, "the model" if each[0].seq in model else "the environment"]
            for each in known
        ]
        _same(said, true, f"body.{where}")
        ends = [each[1].seq if len(each) > 1 else None for each in known]
        _ends_so(self._body(where), "closed", ends, where)

    # Who could, and who did

    def _access(self, requests: list[dict[str, Any]]) -> None:
        group = self._body("inventory.group").replace("none", "")
        held: dict[str, dict[str, Any]] = {}
        for one in self.others:
            is_here = one.environment in self.places or not one.environment
            if one.action == "role.granted" and is_here and one.text("group") in ("", group):
                held[one.subject] = {
                    "binding": one.id, "entry": one.seq, "environment": one.environment or "all",
                    "group": one.text("group") or "all", "from": one.at, "until": "goes on",
                    "revoked": None,
                }  # fmt: skip
            elif one.action == "role.revoked" and one.subject in held:
                held[one.subject].update(until=one.at, revoked=one.seq)
        true = [row for row in held.values() if row["until"] >= self.since]
        rows = self._body("access.roles")
        _in_turn(rows, [row["entry"] for row in true], "access.roles")
        _ends_so(rows, "revoked", [row.pop("revoked") for row in true], "access.roles")
        said = [{name: row[name] for name in each} for row, each in zip(rows, true)]  # noqa: B905
        _same(said, true, "body.access.roles")
        tokens = [one.seq for one in self.others if one.action.startswith("token.")]
        _in_turn(self._body("access.tokens"), tokens, "access.tokens")
        duties = self._body("access.duties")
        _same([row["request"] for row in duties], [row["id"] for row in requests],
              "body.access.duties")  # fmt: skip
        for row, asked in zip(duties, requests):  # noqa: B905 - 3.9 has no strict
            _duties_hold(row, asked, self._body("dark_evidence.waivers"))

    def _controls(self) -> None:
        for row in self._body("controls"):
            if row["this_report"] not in ("supports", "not covered"):
                raise Tampered("the report's body.controls say more than that it supports")
            for seq in row["entries"]:
                if seq not in self.seen:
                    raise Tampered(
                        f"the report's body.controls name entry {seq}, which is not there"
                    )


def _gaps(agents: list[Told], own: list[Told]) -> list[dict[str, Any]]:
    """Where nobody can say whether an agent answered."""
    found: list[dict[str, Any]] = []
    running: dict[str, dict[str, Any]] = {}
    spoken: dict[str, str] = {}
    for one in agents:
        if one.action != SERVES and one.action not in GONE:
            continue
        if one.subject in running:
            running.pop(one.subject)["until"] = one.at
        why = _why_unknown(one, held=one.subject in spoken)
        if why:
            running[one.subject] = _gap(one, why, since=one.at, until="goes on")
            found.append(running[one.subject])
        elif one.facts.get("changes"):
            why = "one entry stands for {} changes".format(one.facts["changes"])
            found.append(_gap(one, why, since=spoken.get(one.subject, one.at), until=one.at))
        if one.action == SERVES:
            spoken[one.subject] = one.at
    why = "rolled back on its host while unheard"
    found += [
        _gap(one, why, since=one.text("began_at"), until=one.at)
        for one in own
        if one.action == "agent.rolled_back" and one.facts.get("began_at")
    ]
    return sorted(found, key=lambda row: int(row["entry"]))


def _why_unknown(one: Told, *, held: bool) -> str:
    if one.erased:
        return "what it said was erased"
    if one.action == "agent.evicted" and held:
        return "it was evicted, and answers unseen whoever still calls it"
    return ""


def _gap(one: Told, why: str, *, since: str, until: str) -> dict[str, Any]:
    return {
        "agent": one.text("name"), "agent_id": one.id, "environment": one.environment,
        "from": since, "until": until, "why": why, "entry": one.seq,
    }  # fmt: skip


SCOPE_SECTIONS = {
    *("schema", "header", "population", "serving", "promotions", "refusals", "exceptions"),
    *("incidents", "findings", "policies", "access", "fleet", "changes"),
}
BEFORE = "before this period"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Scope:
    """Which rows the report of an environment or a period has to have, as ``Life`` does it."""

    def __init__(self, report: Any, cited: Cited, *, sealed: int) -> None:
        self.cited, self.told = cited, list[Told]()
        with _shaped():
            self.body: dict[str, Any] | None = report["body"]
            header = report["body"]["header"]
            scope, self.size = header["scope"], int(header["log"]["size"])
            self.environment = scope["environment"] if scope["kind"] == "environment" else ""
            self.since = "" if scope["from"] == "the first entry" else str(scope["from"])
            self.until = "" if scope["until"] == "the last entry" else str(scope["until"])
            is_of_all = scope["environment"] == "every environment"
            if scope["kind"] != ("period" if is_of_all else "environment"):
                raise Tampered("the report does not say which place and period it is of")
        for time in filter(None, (self.since, self.until)):
            if not TIME.fullmatch(time):
                raise Tampered("the report does not say which place and period it is of")
        if not 0 < self.size <= sealed:
            raise Tampered(f"the report is of {self.size} entries, and {sealed} are sealed")

    def take(self, fields: Fields, payload: bytes | None, linked: bytes) -> None:
        """Keep one entry, if it is one that the report may tell of."""
        one = _told(fields, payload, linked)
        kinds, subjects = ("request.", "role."), ("deployment:", "agent:", "incident:")
        is_told = one.action.startswith(kinds) or one.action == "attempt.refused"
        if one.seq <= self.size and (
            is_told or self._is_record(one) or one.subject.startswith(subjects)
        ):
            self.told.append(one)
        if len(self.told) >= MOST_TOLD:
            raise Undecided(f"a report of more than {MOST_TOLD} entries is not read")

    def _is_here(self, one: Told) -> bool:
        here = self.environment
        return not here or one.environment == here or one.object == f"environment:{here}"

    def _is_early(self, one: Told) -> bool:
        return one.at < self.since

    def _is_late(self, one: Told) -> bool:
        return bool(self.until) and one.at >= self.until

    def _is_record(self, one: Told) -> bool:
        return self._is_here(one) and not self._is_early(one) and not self._is_late(one)

    def close(self) -> None:
        """Hold the whole body against the entries."""
        body = self.body
        if body is None:
            return
        with _shaped():
            _require_sections(body, SCOPE_SECTIONS)
            self.records = [one for one in self.told if self._is_record(one)]
            self._population(body["population"], body["changes"])
            self._promotions(body["promotions"])
            self._serving(body["serving"])
            self._listed(body)
            self._incidents(body["incidents"])
            self._roles(body["access"]["roles"])

    def _population(self, said: dict[str, Any], changes: Any) -> None:
        records = self.records
        _in_turn(changes, [one.seq for one in records], "changes")
        true = [[one.object, one.object_seq, one.hash] for one in records]
        _same(_members(changes, "object", "object_seq", "hash"), true, "body.changes")
        here = Counter(one.object for one in records)
        _same({row["object"]: row["entries_here"] for row in said["objects"]}, dict(here),
              "body.population.objects")  # fmt: skip
        for row in said["objects"]:
            whole = row["first"] == 1 and row["entries"] == row["last"]
            _same(row["is_gapless"], whole, "body.population.objects.is_gapless")
        adopted = [one.seq for one in records if one.action == "log.history_adopted"]
        derived = {
            "entries": len(records),
            "first": records[0].seq if records else "not supplied",
            "last": records[-1].seq if records else "not supplied",
            "by_action": _filled(dict(Counter(one.action for one in records))),
            "erased_payloads": [one.seq for one in records if one.erased],
            "histories_adopted": adopted,
            "is_gapless": all(row["is_gapless"] for row in said["objects"]),
        }
        _same({name: said[name] for name in derived}, derived, "body.population")

    def _promotions(self, rows: Any) -> None:
        asked = {one.request for one in self.records if one.action.startswith("request.")}
        grouped: dict[str, list[Told]] = {}
        for one in self.told:
            if one.request in asked and one.action.startswith("request."):
                grouped.setdefault(one.request, []).append(one)
        self.asked = grouped
        _same([row["id"] for row in rows], list(grouped), "body.promotions")
        for row, found in zip(rows, grouped.values()):  # noqa: B905 - 3.9 has no strict
            opened = next((one for one in found if one.action == "request.opened"), found[0])
            where = f"entry {opened.seq}: the request's"
            _same(row["entries"], [one.seq for one in found], f"{where} entries")
            _same(row["asked"]["entry"], opened.seq, f"{where} first entry")
            model = opened.object.partition(":")[2]
            true = [opened.environment, model, opened.text("kind"), opened.text("content_hash")]
            names = ("environment", "model", "kind", "content_hash")
            for name, value in zip(names, true):  # noqa: B905 - 3.9 has no strict
                _agree(row[name], value, f"{where} {name}")
            _agree(row["version"], opened.version, f"{where} version")
            _signatures_hold(row["signed"], found, "promotions.signed")
            started = [one.seq for one in found if one.action == "request.started"]
            _in_turn(row["executed"], started, "promotions.executed")
            _ended_so(row["end"], found, where, unsettled="not settled by then")

    def _in_time(self, kind: str, actions: tuple[str, ...] = ()) -> list[Told]:
        """The last word on each of a kind before the period, and every one within."""
        before: dict[str, Told] = {}
        within = []
        for one in self.told:
            if not self._is_here(one) or not one.subject.startswith(kind) or self._is_late(one):
                continue
            if actions and one.action not in actions:
                continue
            if self._is_early(one):
                before[one.subject] = one
            else:
                within.append(one)
        return sorted((*before.values(), *within), key=lambda one: one.seq)

    def _from(self, one: Told) -> dict[str, Any]:
        is_early = self._is_early(one)
        return {
            "from": BEFORE if is_early else one.at, "began_by": BEFORE if is_early else one.seq,
            "known_by": one.seq, "until": "goes on", "ended_by": "none",
        }  # fmt: skip

    def _serving(self, said: dict[str, Any]) -> None:
        _same(said["decided"], _filled(self._decided()), "body.serving.decided")
        named = {
            content["digest"]: content["version"]
            for one in self.told
            for content in [one.facts.get("content")]
            if isinstance(content, dict) and "digest" in content and "version" in content
        }
        rows, true = said["confirmed"], self._confirmed()
        names = tuple(true[0]) if true else ()
        _same(_members(rows, *names), _members(_filled(true), *names), "body.serving.confirmed")
        for row in rows:
            version = named.get(row["digest"], row["version"])
            _same(row["version"], version, "body.serving.confirmed.version")
        agents = [one for one in self.records if one.subject.startswith("agent:")]
        _same(said["unknown"], _filled(_gaps(agents, agents)), "body.serving.unknown")

    def _decided(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        running: dict[str, dict[str, Any]] = {}
        for one in self._in_time("deployment:"):
            is_champion = not one.erased and one.text("role") == "champion"
            if one.subject in running and not is_champion:
                running.pop(one.subject).update(until=one.at, ended_by=one.seq)
            elif is_champion and one.subject not in running:
                running[one.subject] = {
                    "environment": one.environment, "model": one.object.partition(":")[2],
                    "version": one.version, **self._from(one), "request": one.request or "none",
                }  # fmt: skip
                found.append(running[one.subject])
        return found

    def _confirmed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        running: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
        for one in self._in_time("agent:", (SERVES, *GONE)):
            after = one.facts.get("after") if one.action == SERVES else None
            now = {
                tuple(str(row.get(name)) for name in ("model", "digest", "role"))
                for row in (after if isinstance(after, list) else [])
                if isinstance(row, dict)
            }
            held = running.setdefault(one.subject, {})
            for key in [key for key in held if key not in now]:
                held.pop(key).update(until=one.at, ended_by=one.seq)
            for key in sorted(now - set(held)):
                held[key] = {
                    "environment": one.environment, "model": key[0], "digest": key[1],
                    "role": key[2], "agent": one.text("name"), "agent_id": one.id,
                    **self._from(one),
                }  # fmt: skip
                found.append(held[key])
        return found

    def _listed(self, body: dict[str, Any]) -> None:
        access, exceptions = body["access"]["changes"], body["exceptions"]
        places = (
            (body["findings"], "findings", ("finding.",)),
            (body["policies"], "policies", ("policy.",)),
            (access, "access.changes", ("person.", "token.", "role.")),
            (body["fleet"], "fleet", ("agent.",)),
            (exceptions["waivers"], "exceptions.waivers", ("waiver.given",)),
        )
        for rows, where, begins in places:
            true = [
                one.seq
                for one in self.records
                if one.action.startswith(begins) and one.action != SERVES
            ]
            _in_turn(rows, true, where)
        refused = [one.seq for one in self.told if one.action == "attempt.refused"]
        listed = [row["entry"] for row in body["refusals"]["listed"]]
        if not self.environment:
            refused = [one.seq for one in self.records if one.action == "attempt.refused"]
            _same(body["refusals"]["of_no_place"], 0, "body.refusals.of_no_place")
            _in_turn(body["refusals"]["listed"], refused, "refusals.listed")
        if not set(listed) <= set(refused):
            raise Tampered("the report's refusals.listed names an entry that is no refusal")
        alone = [row["id"] for row in body["promotions"] if row["kind"] == "break_glass"]
        _same(_members(exceptions["break_glass"], "request"), [[pk] for pk in alone],
              "body.exceptions.break_glass")  # fmt: skip
        for row in exceptions["break_glass"]:
            mine = self.asked[row["request"]]
            reviews = [one.seq for one in mine if one.action == "request.reviewed"]
            _in_turn(row["reviews"], reviews, "exceptions.break_glass.reviews")

    def _incidents(self, rows: Any) -> None:
        found: dict[str, list[Told]] = {}
        for one in self.told:
            if not self._is_here(one) or self._is_late(one):
                continue
            if one.action == "incident.opened":
                found[one.subject] = [one]
            elif one.action == "incident.closed" and self._is_early(one):
                found.pop(one.subject, None)
            elif one.action == "incident.closed" and one.subject in found:
                found[one.subject].append(one)
        _in_turn(rows, [each[0].seq for each in found.values()], "incidents")
        true = [[each[0].id, each[0].object] for each in found.values()]
        _same(_members(rows, "incident", "with"), true, "body.incidents")
        ends = [each[-1].seq if len(each) > 1 else None for each in found.values()]
        _ends_so(rows, "closed", ends, "incidents")

    def _roles(self, rows: Any) -> None:
        held: dict[str, dict[str, Any]] = {}
        for one in self.told:
            if self._is_late(one) or not (self._is_here(one) or not one.environment):
                continue
            if one.action == "role.granted":
                held[one.subject] = {
                    "binding": one.id, "entry": one.seq, "environment": one.environment or "all",
                    "group": one.text("group") or "all", "revoked": None,
                    "from": BEFORE if self._is_early(one) else one.at, "until": "goes on",
                }  # fmt: skip
            elif one.action == "role.revoked" and self._is_early(one):
                held.pop(one.subject, None)
            elif one.action == "role.revoked" and one.subject in held:
                held[one.subject].update(until=one.at, revoked=one.seq)
        true = list(held.values())
        _in_turn(rows, [row["entry"] for row in true], "access.roles")
        _ends_so(rows, "revoked", [row.pop("revoked") for row in true], "access.roles")
        names = ("binding", "entry", "environment", "group", "from", "until")
        _same(_members(rows, *names), _members(true, *names), "body.access.roles")


def _members(rows: Any, *names: str) -> list[list[Any]]:
    return [[row[name] for name in names] for row in rows]


def _require_sections(body: dict[str, Any], sections: set[str]) -> None:
    for name in sorted(sections ^ set(body)):
        what = "lacks its section" if name in sections else "has a strange section"
        raise Tampered(f"the report {what} {_shown(name)}")


def _told(fields: Fields, payload: bytes | None, linked: bytes) -> Told:
    return Told(
        int(fields[13]), fields[3].decode(), fields[0].decode(), fields[2].decode(),
        fields[14].decode(), _plain(fields[4]), _plain(fields[12]),
        int(fields[6]) if fields[6] != b"null" else None, _payload_of(payload, fields),
        payload is None, fields[7].decode(), int(fields[8]), linked.decode(),
    )  # fmt: skip


def _signatures_hold(rows: Any, found: list[Told], where: str) -> list[Told]:
    """Every signature of a request has its row, and says what was signed; returns them."""
    signed = [one for one in found if one.subject.startswith("approval:")]
    _in_turn(rows, [one.seq for one in signed], where)
    for given, one in zip(rows, signed):  # noqa: B905 - 3.9 has no strict
        decision = "reject" if one.action == "request.rejected" else "approve"
        _same(given["decision"], decision, f"entry {one.seq}: the signature's decision")
        for name in ("name", "person", "role", "meaning", "comment", "content_hash", "method"):
            _agree(given[name], one.text(name), f"entry {one.seq}: the signature's {name}")
    return signed


def _ended_so(said: Any, found: list[Told], where: str, *, unsettled: str) -> None:
    ended: list[Any] = [unsettled, None]
    for one in found:
        if one.subject.startswith("request:") and one.action in REQUEST_ENDS:
            ended = [REQUEST_ENDS[one.action], one.seq]
        elif one.action == "request.failed" and one.text("state") == "failed":
            ended = ["failed", one.seq]
    _same([said["state"], said.get("entry")], ended, f"{where} end")


def _request_holds(row: dict[str, Any], opened: Told, found: list[Told]) -> None:
    """Hold what a report puts together of a request's entries."""
    where = f"entry {opened.seq}: the request's"
    _same(row["id"], opened.request, f"{where} id")
    _same(row["entries"], [one.seq for one in found], f"{where} entries")
    signed = _signatures_hold(row["approvals"], found, "lifecycle.requests.approvals")
    _ended_so(row["end"], found, where, unsettled="not settled")
    content = opened.facts.get("content")
    _agree(row["content"], content if isinstance(content, dict) else "", f"{where} content")
    if isinstance(content, dict):
        _same(row["evidence_is_sealed"], bool(content), f"{where} evidence_is_sealed")
    if not isinstance(row["gates"], list):
        raise Tampered(f"{where} gates are not there")
    _kept_apart(row, opened, found, [one.text("person") for one in signed])
    if opened.text("kind") != "break_glass":
        _same(row["break_glass"], "none", f"{where} break_glass")
        return
    reviews = [one.seq for one in found if one.action == "request.reviewed"]
    _in_turn(row["break_glass"]["review"], reviews, "lifecycle.requests.break_glass.review")
    for name in ("skipped", "review_due_at"):
        _agree(row["break_glass"][name], opened.facts.get(name), f"{where} {name}")


def _kept_apart(row: dict[str, Any], opened: Told, found: list[Told], signed: list[str]) -> None:
    said, where = row["segregation"], f"entry {opened.seq}: the request's segregation"
    kind = opened.text("kind")
    by = [one.text("actor") for one in found if one.action in STEERED and one.kind == "user"]
    by += [one.text("actor") for one in found if kind in ALONE and one.action == "request.opened"]
    apart = not set(signed) & set(said["involved"]) and len(signed) == len(set(signed))
    true = {"signed": signed, "executed_by": sorted(set(by)),
            "holds": apart and kind != "break_glass"}  # fmt: skip
    _same({name: said[name] for name in true}, true, where)
    if not set(said["authors"]) <= set(said["involved"]):
        raise Tampered(f"{where} leaves an author out")


def _duties_hold(row: dict[str, Any], asked: dict[str, Any], waivers: list[dict[str, Any]]) -> None:
    kept, alone = asked["segregation"], asked["break_glass"]
    others = sorted(set(kept["involved"]) - set(kept["authors"]))
    by_duty = {
        "requester": others or [asked["by"]["name"]],
        "author": kept["authors"],
        "approver": kept["signed"],
        "waiver": [each["person"] for each in waivers if asked["id"] in each["counted_for"]],
        "executor": kept["executed_by"],
        "reviewer": [each["person"] for each in alone["review"]] if isinstance(alone, dict) else [],
    }
    overlaps = [
        {
            "person": person,
            "duties": duties,
            "is_breach": any(pair <= set(duties) for pair in APART),
        }
        for person in sorted({name for names in by_duty.values() for name in names} - {""})
        for duties in [[duty for duty, names in by_duty.items() if person in names]]
        if len(duties) > 1
    ]
    breach = any(each["is_breach"] for each in overlaps)
    true = {
        "requesters": by_duty["requester"],
        "authors": by_duty["author"],
        "approvers": by_duty["approver"],
        "waivers": by_duty["waiver"],
        "executed_by": by_duty["executor"] or ["the system"],
        "overlaps": overlaps,
        "kept_apart": kept["holds"] is True and not breach,
        "entries": [given["entry"] for given in asked["approvals"]],
    }
    _same({name: row[name] for name in true}, true, "body.access.duties")


def _verdicts(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What the gates of a request said of the dark."""
    return [
        {
            "request": asked["id"], "environment": asked["environment"],
            "frozen_at": asked["at"], "gate": gate["gate"],
            "outcome": gate["outcome"], "reason": gate["reason"], "facts": gate["facts"],
        }
        for gate in asked["gates"]
        if gate["gate"] in DARK_GATES and isinstance(gate["facts"], dict)
    ]  # fmt: skip


def _in_turn(rows: Any, true: list[int], where: str, name: str = "entry") -> None:
    """See that the rows of a list name exactly these entries, in this order."""
    said = [row[name] for row in rows]
    if said == true:
        return
    named, known = {seq for seq in said if type(seq) is int}, set(true)
    for seq in sorted(known - named):
        raise Tampered(f"entry {seq} is left out of the report's {where}")
    for seq in sorted(named - known):
        raise Tampered(f"the report's {where} names entry {seq}, which does not belong there")
    raise Tampered(f"the report's {where} is not in the order of its entries, each once")


def _is_open(value: Any, path: list[str], where: str) -> None:
    """See that nothing is said where no entry tells anything."""
    if isinstance(value, list):
        for each in value:
            _is_open(each, path, where)
    elif path and isinstance(value, dict):
        _is_open(value[path[0]], path[1:], where)
    elif not (isinstance(value, str) and value in OPEN):
        raise Tampered(f"the report's {where} says something that no entry says")


def _ends_so(rows: Any, member: str, true: list[Any], where: str) -> None:
    """See that what ended, ended by that entry, and nothing else did."""
    for row, seq in zip(rows, true):  # noqa: B905 - 3.9 has no strict
        said = row[member]["entry"] if isinstance(row[member], dict) else row[member]
        if said != ("none" if seq is None else seq):
            raise Tampered(
                f"the report's {where} says {_shown(str(said))[:40]} for {member},"
                f" and by the entries it is {seq or 'none'}"
            )


@contextmanager
def _shaped() -> Iterator[None]:
    """A report that has not the members of its kind proves nothing of what it says."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise Tampered(f"the report is not of the shape of its kind: {error!r:.80}") from None


# -- The whole bundle --------------------------------------------------------------------


class Result:
    """What came of it: the exit code, one line that says it, and what else there is to know."""

    def __init__(self, code: int, line: str, notes: Iterable[str] = ()) -> None:
        self.code, self.line, self.notes = code, line, list(notes)


def verify(file: BinaryIO, keys: str, since: str | None = None) -> Result:
    """Check one bundle. Never raises.

    Args:
        file: the bundle, open for reading bytes.
        keys: the text of the file of keys.
        since: the text of a checkpoint that was kept, or None.
    """
    try:
        known = read_keys(keys)
    except ValueError as error:
        return Result(USAGE, f"the file of keys: {error}")
    try:
        return Result(PROVEN, *_verify(Archive(file), known, since))
    except Tampered as found:
        return Result(TAMPERED, str(found))
    except Undecided as found:
        return Result(UNDECIDED, str(found))
    except Exception as error:  # noqa: BLE001 - whatever a hostile file brings about
        return Result(UNDECIDED, f"the bundle cannot be checked: {type(error).__name__}: {error}")


def _verify(archive: Archive, keys: Keys, since: str | None) -> tuple[str, list[str]]:
    about, old = _about(archive), None
    checkpoints = _checkpoints(archive, keys)
    if since is not None:
        old = Checkpoint(since.encode("utf-8", "surrogateescape"), keys, "the checkpoint you kept")
        old.require_signed(keys)
    newest = checkpoints[-1]
    if about["size"] != newest.size:
        raise Tampered(
            f"the bundle says {about['size']} entries, the newest checkpoint {newest.size}"
        )
    named = {name.encode() for name in about["objects"]}
    proofs = Proofs(_proofs(archive) if named else {})
    log, replay = Log(named, checkpoints, proofs, old), Replay(each=bool(named))
    report = _json(archive.read("report.json"), "report.json")
    _require_known(report.get("report"))
    cited = Cited(report.get("report"))
    of_scope = (
        isinstance(report.get("report"), dict) and report["report"].get("schema") == CITING[1]
    )
    life = (Scope if of_scope else Life)(report.get("report"), cited, sealed=newest.size)
    _read(archive, log, replay, life)
    ends = log.close()
    _same(report.get("statements"), replay.statements(log, ends), "statements")
    cited.close()
    life.close()
    notes = _check_since(old, log, replay.adopted)
    for each in checkpoints[:-1]:
        if named and not _is_older(each, log):
            raise Undecided(f"{each.what} has no proof beside it")
    _check_manifest(archive, keys, newest.name + "/bundles")
    line = (
        f"{log.count} of {newest.size} entries of {newest.origin},"
        f" sealed at {newest.at}, root {newest.root.hex()}"
    )
    if "report.html" in archive.infos:
        notes.append(
            "what was held against the entries is report.json; report.html is packed with it"
        )
    if log.erased:
        notes.append(f"{len(log.erased)} payloads were erased, and entries say so")
    for seq in replay.adopted:
        notes.append(f"entry {seq}: history was lost here, and an operator let the log go on")
    return line, notes


def _require_known(report: Any) -> None:
    """Let no report pass for proven that is of a kind nobody here can hold against entries."""
    if report in ({}, None) or (isinstance(report, dict) and report.get("schema") == SAMPLE):
        return
    if not isinstance(report, dict) or report.get("schema") not in CITING:
        raise Undecided("the report in it is of a kind that this verifier does not know")


def _about(archive: Archive) -> dict[str, Any]:
    """Read ``bundle.json``: what is in the bundle. Nothing but these members, canonically."""
    about = _json(archive.read("bundle.json"), "bundle.json")
    names = about.get("objects")
    shape = {"kind", "objects", "schema", "size"}
    if about.get("schema") != SCHEMA:
        raise Undecided("this bundle's format is another one: use its own verifier")
    if (
        set(about) != shape
        or about["kind"] not in ("log", "objects")
        or type(about["size"]) is not int
    ):
        raise Undecided("bundle.json is not as it should be")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Undecided("bundle.json is not as it should be")
    if (about["kind"] == "log") != (not names) or names != sorted(set(names)):
        raise Undecided("bundle.json is not as it should be")
    return about


def _checkpoints(archive: Archive, keys: Keys) -> list[Checkpoint]:
    """Read every checkpoint, smallest first. The newest has to be signed by a given key."""
    names = sorted(name for name in archive.infos if NOTE.fullmatch(name))
    if not names:
        raise Undecided("the bundle has no checkpoint")
    found = [Checkpoint(archive.read(name), keys, name) for name in names]
    for each in found:
        if f"checkpoints/{each.size:015d}" != each.what[:27]:
            raise Tampered(f"{each.what} is of {each.size} entries")
    for one, other in zip(found, found[1:]):  # noqa: B905, RUF007 - 3.9
        if one.size == other.size and one.root != other.root:
            raise Tampered(
                f"the log was forked: two checkpoints of {one.size} entries are signed,"
                " with different roots"
            )
        if one.name != other.name:
            raise Tampered(f"{other.what} is of another log than {one.what}")
    found[-1].require_signed(keys)
    return found


class Proofs:
    """``proofs.json``: what takes the place of the entries that a bundle leaves out."""

    def __init__(self, found: dict[str, Any]) -> None:
        try:
            self.entries = {s: _path(path) for s, path in found.get("entries", {}).items()}
            self.consistency = {s: _path(path) for s, path in found.get("consistency", {}).items()}
            self.objects = {
                name: (int(proof["index"]), _path(proof["path"]))
                for name, proof in found.get("objects", {}).items()
            }
        except (KeyError, TypeError, AttributeError, ValueError):
            raise Undecided("proofs.json is not as it should be") from None


def _proofs(archive: Archive) -> dict[str, Any]:
    if "proofs.json" not in archive.infos:
        raise Undecided("the bundle is of some objects, and has no proofs")
    return _json(archive.read("proofs.json"), "proofs.json")


def _path(texts: list[str]) -> list[bytes]:
    raws = [bytes.fromhex(text) for text in texts]
    if not all(len(raw) == 32 for raw in raws) or len(raws) > 128:
        raise ValueError("no path")
    return raws


def _read(archive: Archive, log: Log, replay: Replay, life: Life | Scope) -> None:
    """Read entries and payloads side by side."""
    payloads = archive.lines("payloads.txt")
    take, replayed, cited, tells = log.take, replay.take, life.cited, life.body is not None
    rows = cited.rows
    for line in archive.lines("entries.ndjson"):
        fields, payload = take(line, next(payloads, b""))
        replayed(fields, payload)
        if rows and int(fields[13]) in rows:
            cited.take(fields, payload)
        if tells:
            life.take(fields, payload, log.previous)
        if fields[0] == b"payload.erased":
            log.note_tombstone(fields)
    if next(payloads, None) is not None:
        raise Tampered("payloads.txt holds payloads of no entry")


def _same(said: Any, derived: Any, where: str) -> None:
    """Compare what a report says with what follows from the entries."""
    if isinstance(derived, dict) and isinstance(said, dict):
        for name in sorted(set(said) | set(derived)):
            _same(said.get(name), derived.get(name), f"{where}.{name}")
    elif isinstance(derived, list) and isinstance(said, list) and len(said) == len(derived):
        for index, each in enumerate(derived):
            _same(said[index], each, f"{where}[{index}]")
    elif type(said) is not type(derived) or said != derived:
        raise Tampered(
            f"the report's {_shown(where)} is {_shown(json.dumps(said)[:120])},"
            f" and by the entries it is {_shown(json.dumps(derived)[:120])}"
        )


def _check_since(old: Checkpoint | None, log: Log, adopted: list[int]) -> list[str]:
    """Hold a checkpoint that somebody kept against the log."""
    if old is None:
        return []
    if old.name != log.newest.name:
        raise Undecided(f"the checkpoint you kept is of {old.origin}, another log")
    if old.size > log.newest.size:
        raise Tampered(
            f"entry {log.newest.size + 1} is missing, with all after it:"
            f" the checkpoint you kept covers {old.size} entries"
        )
    if not _is_older(old, log):
        if not log.whole and str(old.size) not in log.proofs.consistency:
            raise Undecided("the bundle has no proof about the checkpoint you kept: ask for one")
        lost = f"; entry {adopted[-1]} says that history was lost" if adopted else ""
        raise Tampered(
            f"entries 1 to {old.size} are not those of the checkpoint you kept:"
            f" the log was rewritten{lost}"
        )
    return [f"the log still begins with the {old.size} entries you had seen sealed"]


def _is_older(old: Checkpoint, log: Log) -> bool:
    """Tell whether the log begins with what a checkpoint sealed."""
    newest = log.newest
    if old.size == newest.size:
        return old.root == newest.root
    if log.whole:
        return log.kept.get(old.size) == old.root
    path = log.proofs.consistency.get(str(old.size), [])
    first = {old.size: old.root}
    return extends(path, first, size=newest.size, root=newest.root)


def _check_manifest(archive: Archive, keys: Keys, name: str) -> None:
    """Every file is the one that was packed, and somebody known has packed them."""
    note = Note(archive.read("MANIFEST.txt"), keys, "MANIFEST.txt")
    said = note.text.split("\n")
    files = sorted(set(archive.infos) - {"MANIFEST.txt"})
    for file in files:
        if file not in archive.hashes:
            for _ in archive.chunks(file):
                pass
    made = [SCHEMA, *(f"{archive.hashes[file]}  {file}" for file in files), ""]
    for line in made[1:-1]:
        if line not in said:
            raise Tampered(f"{line[66:]} is not the file that was packed")
    if said != made:
        raise Tampered("MANIFEST.txt names what is not in the bundle")
    note.require_signed(keys, "MANIFEST.txt", name)


# -- Small things ------------------------------------------------------------------------


def _base64(text: str) -> bytes:
    """Decode strictly; what is not base64 is empty."""
    try:
        raw = base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if base64.b64encode(raw).decode() == text else b""


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Tampered(f"{what} is not text") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _integer(text: str) -> int:
    if len(text) > 19:
        raise ValueError("a number is too long")
    return int(text)


def _constant(text: str) -> None:
    raise ValueError(f"{text} is no number")


DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer, parse_constant=_constant)


def _json(content: bytes, name: str) -> dict[str, Any]:
    try:
        found = DECODER.decode(content.decode())
    except (ValueError, RecursionError) as error:
        raise Undecided(f"{name} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Undecided(f"{name} is no object")
    return found


def _shown(text: str) -> str:
    """Let no text of a bundle do anything to a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    found, rest, words = {}, [], list(arguments)
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(__doc__)
            return PROVEN
        if word in ("--keys", "--since"):
            if not words or word in found:
                return _usage(f"{word} needs one value")
            found[word] = words.pop(0)
        elif word.startswith("-"):
            return _usage(f"there is no option {word}")
        else:
            rest.append(word)
    if len(rest) != 1 or "--keys" not in found:
        return _usage("name the keys, and one bundle")
    try:
        with open(found["--keys"], encoding="utf-8") as file:
            keys = file.read(CHUNK)
        since = None
        if "--since" in found:
            with open(found["--since"], encoding="utf-8", newline="") as file:
                since = file.read(LARGEST_NOTE)
        with open(rest[0], "rb") as file:
            result = verify(file, keys, since)
    except (OSError, ValueError) as error:
        return _usage(str(error))
    print(f"{SAYS[result.code]}: {_shown(result.line)}")
    for note in result.notes:
        print(f"  {_shown(note)}")
    return result.code


def _usage(problem: str) -> int:
    print(f"{SAYS[USAGE]}: {_shown(problem)}", file=sys.stderr)
    print("verify.py --keys keys.txt BUNDLE.zip [--since CHECKPOINT]", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
