"""Name what a file is when it is not ONNX, by its first bytes.

A pickle runs code when it is opened, so it is called by its name; nothing here
opens anything.
"""

import re

_OLD_PICKLE = re.compile(rb"\(?(?:c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n|[ld]p\d|i[A-Za-z_][\w.]*\n)")
_SIGNATURES = (
    ("archive", "a zip archive (as of PyTorch, numpy or Keras)", (b"PK\x03\x04", b"PK\x05\x06")),
    ("archive", "a 7z archive", (b"7z\xbc\xaf\x27\x1c",)),
    ("archive", "a gzip file", (b"\x1f\x8b",)),
    ("archive", "a bzip2 file", (b"BZh",)),
    ("archive", "an xz file", (b"\xfd7zXZ\x00",)),
    ("archive", "a zstd file", (b"\x28\xb5\x2f\xfd",)),
    ("archive", "a rar archive", (b"Rar!",)),
    ("pickle", "zlib data, as joblib compresses pickles", (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")),
    ("not_onnx", "an HDF5 file (as of Keras)", (b"\x89HDF\r\n",)),
    ("not_onnx", "a numpy array", (b"\x93NUMPY",)),
    ("not_onnx", "a PDF", (b"%PDF",)),
    ("not_onnx", "an image", (b"\x89PNG", b"GIF8", b"\xff\xd8\xff")),
    ("not_onnx", "an executable", (b"\x7fELF", b"MZ")),
    ("not_onnx", "a markup document", (b"<",)),
    ("not_onnx", "a JSON document", (b"{",)),
)
HEAD = 512
_PROTOCOL = 0x80
_NEWEST_PICKLE = 5


def recognise(head: bytes) -> tuple[str, str] | None:
    """Return a code and a name for what begins like this; ``None`` for what may be ONNX."""
    if len(head) > 1 and head[0] == _PROTOCOL and head[1] <= _NEWEST_PICKLE:
        return "pickle", f"a Python pickle (protocol {head[1]})"
    if _OLD_PICKLE.match(head):
        return "pickle", "a Python pickle (protocol 0)"
    if head[257:262] == b"ustar":
        return "archive", "a tar archive"
    if head[4:8] == b"TFL3":
        return "not_onnx", "a TensorFlow Lite model"
    for code, name, starts in _SIGNATURES:
        if head.startswith(starts):
            return code, name
    return None
