"""A checkpoint is a note that others verify too; what is not exactly one is refused."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import notes
from governance.notes import BadNote, Checkpoint, Verifier

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
NAME = "lockgate.test/audit"
MADE = Checkpoint(NAME, 7, bytes(32), 2, b"\x01" * 32, datetime(2026, 11, 20, 10, tzinfo=UTC))


def known(key, name=NAME):
    return Verifier(name, key.public_key().public_bytes_raw())


def test_the_format_is_that_of_the_specification():
    """The example of https://c2sp.org/signed-note, with its key."""
    key = Verifier.read("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = "If you think cryptography is the answer to your problem,\n"
    text += "then you don't know what your problem is.\n"
    signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6K"
    signature += "E6RyyBwJnAM="
    note = f"{text}\n\u2014 PeterNeumann {signature}\n"
    found, [(name, key_hash, signed)] = notes.split(note)
    assert (found, name, key_hash) == (text, "PeterNeumann", key.key_hash)
    assert key.accepts(found, signed)
    assert str(key).startswith("PeterNeumann+c74f20a3+")


def test_what_is_signed_is_read_again():
    note = notes.sign(MADE.text(), name=NAME, keys=[KEY, OTHER])
    assert notes.open_note(note, [known(KEY)]) == MADE
    assert notes.open_note(note, [known(OTHER)]) == MADE
    assert [line.split(" ")[0] for line in note.split("\n")[-3:-1]] == ["\u2014", "\u2014"]
    assert note.split("\n")[:2] == [NAME, "7"]


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("\n7\n", "\n8\n"),
        lambda note: note.replace("objects 2", "objects 3"),
        lambda note: note[:-1],
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("\u2014 ", "- "),
        lambda note: note + "\u2014 x\n",
        lambda note: note + "\u2014 x eA==\n",
        lambda note: "x" * notes.LONGEST + note,
        lambda note: "",
    ],
)
def test_a_note_that_was_changed_is_refused(change):
    note = notes.sign(MADE.text(), name=NAME, keys=[KEY])
    with pytest.raises(BadNote):
        notes.open_note(change(note), [known(KEY)])


@pytest.mark.parametrize(
    "text",
    [
        MADE.text().replace("\n7\n", "\n07\n"),
        MADE.text().replace("time ", "at "),
        MADE.text().replace("objects", "things"),
        MADE.text() + "more\n",
        MADE.text().replace("10:00:00Z", "10:00:00+00:00"),
        "a\nb\nc\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_of_ours_is_refused(text):
    with pytest.raises(BadNote, match="no checkpoint"):
        notes.open_note(notes.sign(text, name=NAME, keys=[KEY]), [known(KEY)])


def test_a_false_signature_is_not_saved_by_a_good_one():
    note = notes.sign(MADE.text(), name=NAME, keys=[KEY])
    other = notes.sign(MADE.text(), name=NAME, keys=[OTHER]).split("\n\n")[1]
    flipped = bytearray(base64.b64decode(other.split(" ")[2]))
    flipped[9] ^= 1
    false = f"{note}\u2014 {NAME} {base64.b64encode(flipped).decode()}\n"
    with pytest.raises(BadNote, match="false"):
        notes.open_note(false, [known(KEY), known(OTHER)])
    assert notes.open_note(false, [known(KEY)]) == MADE, "a stranger's line says nothing"


def test_keys_are_read_from_lines():
    text = f"# the sealer\n\n{known(KEY)}\n  {known(OTHER)}  \n"
    assert notes.read_keys(text) == [known(KEY), known(OTHER)]
    for line in ("x", "name+00000000+AAAA", str(known(KEY)).replace("audit", "other")):
        with pytest.raises(BadNote, match="no key"):
            notes.read_keys(line)
