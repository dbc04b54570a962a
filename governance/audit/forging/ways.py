"""The ways to tamper with a log and its bundle.

Whoever tampers here can do most: own the database, pack bundles with the control plane's
key, and chain everything anew. Only the sealer's key is out of reach, but where a way
says so.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import replace

from governance.audit import chain
from governance.audit.forging.story import (
    STRANGER,
    Bundle,
    Row,
    bundle,
    chained,
    keys_text,
    sealed,
    told,
)


def good() -> Bundle:
    """What nobody has touched."""
    story = told()
    return bundle(story, [*range(10, len(story.rows), 10), len(story.rows)])


def edited(rows: list[Row], at: int) -> Row:
    """Let somebody else have done it."""
    return replace(rows[at], fields={**rows[at].fields, "actor_id": "somebody"})


def edit() -> Bundle:
    made = good()
    fields = json.loads(made.lines[16])
    made.lines[16] = chain.canonical({**fields, "actor_id": "somebody"}).encode()
    return made


def delete() -> Bundle:
    made = good()
    del made.lines[16], made.beside[16]
    return made


def insert() -> Bundle:
    """A forged entry after the 16th, linked to it; all after it are numbered anew."""
    made = good()
    forged = {**json.loads(made.lines[16]), "actor_id": "somebody"}
    after = [json.loads(line) for line in made.lines[16:]]
    moved = [chain.canonical({**each, "seq": each["seq"] + 1}).encode() for each in after]
    made.lines = [*made.lines[:16], chain.canonical(forged).encode(), *moved]
    rest = [line.split(" ", 1) for line in made.beside[16:]]
    shifted = [f"{int(seq) + 1} {words}" for seq, words in rest]
    made.beside = [*made.beside[:17], *shifted]
    return made


def reorder() -> Bundle:
    made = good()
    made.lines[16], made.lines[17] = made.lines[17], made.lines[16]
    made.beside[16], made.beside[17] = made.beside[17], made.beside[16]
    return made


def cut_tail() -> Bundle:
    made = good()
    del made.lines[35:], made.beside[35:]
    return made


def rechained_rewrite() -> Bundle:
    """Everything after the change is chained anew; the sealer's checkpoints stay."""
    story, made = told(), good()
    story.rows[16] = edited(story.rows, 16)
    return replace(made, lines=chained(story.rows))


def fork() -> Bundle:
    """The sealer's key was used twice for one size: two readers were shown two logs."""
    story, made = told(), good()
    story.rows[32] = edited(story.rows, 32)
    made.notes["000000000000040-2"] = sealed(chained(story.rows)[:40])
    return made


def old_backup() -> Bundle:
    """Entries from the 31st on are another history, sealed at its end; 40 was sealed before."""
    story, before = told(), good()
    for at in range(30, len(story.rows)):
        story.rows[at] = edited(story.rows, at)
    made = bundle(story, [10, 20, 30, len(story.rows)])
    made.notes["000000000000040"] = before.notes["000000000000040"]
    return made


def swapped_key() -> Bundle:
    """All is signed anew, by a key that calls itself the log's."""
    made = good()
    made.notes = {name: sealed(made.lines[: int(name)], signing=STRANGER) for name in made.notes}
    return made


def bad_signature() -> Bundle:
    made = good()
    name = max(made.notes)
    text, line = made.notes[name].split("\n\n")
    head, encoded = line.rstrip("\n").rsplit(" ", 1)
    raw = bytearray(base64.b64decode(encoded))
    raw[40] ^= 1
    made.notes[name] = f"{text}\n\n{head} {base64.b64encode(raw).decode()}\n"
    return made


def duplicate_seq() -> Bundle:
    made = good()
    made.lines.insert(17, made.lines[16])
    made.beside.insert(17, made.beside[16])
    return made


def non_canonical() -> Bundle:
    """The same values in other bytes, and all chained and sealed so."""
    made = good()
    made.lines[16] = json.dumps(json.loads(made.lines[16])).encode()
    return made


def clock_backwards() -> Bundle:
    """The database's clock was set back; the sealer took it, the verifier does not."""
    story = told()
    early = {**story.rows[16].fields, "at": story.rows[10].fields["at"]}
    story.rows[16] = replace(story.rows[16], fields=early)
    lines, made = chained(story.rows), good()
    made.lines = lines
    made.notes = {name: sealed(lines[: int(name)]) for name in made.notes}
    return made


def wrong_report() -> Bundle:
    made = good()
    made.report["statements"]["champions"][0]["version"] = 1
    return made


TAMPERED: dict[str, Callable[[], Bundle]] = {
    "edit": edit,
    "delete": delete,
    "insert": insert,
    "reorder": reorder,
    "cut-tail": cut_tail,
    "rechained-rewrite": rechained_rewrite,
    "fork": fork,
    "old-backup": old_backup,
    "swapped-key": swapped_key,
    "bad-signature": bad_signature,
    "duplicate-seq": duplicate_seq,
    "non-canonical": non_canonical,
    "clock-backwards": clock_backwards,
    "wrong-report": wrong_report,
}


def made_files() -> dict[str, bytes]:
    """Return every file of ``vectors/``."""
    files = {"keys.txt": keys_text().encode(), "good.zip": good().content()}
    return files | {f"tampered-{name}.zip": make().content() for name, make in TAMPERED.items()}
