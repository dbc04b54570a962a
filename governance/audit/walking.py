"""Walks the log again and again, a stretch a round: the newest entries each time, all in an hour.

What ``verify`` checks at once is checked here in pieces that never block a writer: one
snapshot a round, read only, and no more than a fixed share of the log. Beside the entries
it looks at what is made of them: heads, the blocks of the tree, and the checkpoints, which
have to be those that the sealer signed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection
from django.db.models import Max, Min, Sum

from governance import notes
from governance.audit import chain, checkpoints, merkle
from governance.audit.actions import Action
from governance.audit.models import Block, Checkpoint, Entry, Head, ObjectHead, Payload
from governance.audit.notices import Area, Notice
from governance.audit.sinks import open_sinks
from governance.audit.verify import BESIDE, COLUMNS, stored
from governance.errors import Unavailable
from governance.notes import BadNote, Verifier

LEAST = 20 * merkle.BLOCK
"""Entries of one round: a small log is walked whole each time."""
ROUNDS = 50
"""Rounds for the whole of a large one: at one a minute, within the hour."""
MOST = 20
"""Things of one kind that are named in a round."""
SEALS, MOST_SEALS = 40, 200
"""Checkpoints that are compared in a round besides the newest; of very many some more."""
OTHERS = "the entries it covers are not those that were sealed"

_WRONG_HEADS = """
SELECT object FROM audit_object_head AS head WHERE NOT EXISTS (
    SELECT 1 FROM audit_entry AS entry
    WHERE entry.object = head.object AND entry.object_seq = head.seq AND entry.hash = head.hash
) OR EXISTS (
    SELECT 1 FROM audit_entry AS entry
    WHERE entry.object = head.object AND entry.object_seq = head.seq + 1
) ORDER BY object LIMIT %s
"""


@dataclass(slots=True)
class Walked:
    """What one round saw of the log."""

    first: int
    last: int
    size: int
    notices: list[Notice] = field(default_factory=list)
    subjects: dict[str, int] = field(default_factory=dict)
    """What the entries of this round are about, and the first of them that says so."""
    sealed: list[Checkpoint] = field(default_factory=list)
    """Checkpoints to be held against the sinks, outside the snapshot."""
    next_seal: int = 0
    """Of which size the last of them was; 0 when all were looked at."""
    all_seals: bool = False

    @property
    def is_whole(self) -> bool:
        return self.first == 0 and self.last >= self.size and self.all_seals

    @property
    def next(self) -> int:
        """Where the next round goes on."""
        return 0 if self.last >= self.size else self.last


def walk(after: int, *, newest: int, seal: int) -> Walked:
    """Look at a stretch behind entry ``after``, and at what came after ``newest``.

    And at the checkpoints of more than ``seal`` entries, as many as a round may. In a
    transaction of the caller's that reads one snapshot.
    """
    size = Entry.objects.aggregate(last=Max("seq"))["last"] or 0
    first = after if 0 <= after < size else 0
    share = -(-size // (ROUNDS * merkle.BLOCK)) * merkle.BLOCK
    length = max(LEAST, share)
    walked = Walked(first, min(first + length, size), size)
    _stretch(walked, first, walked.last)
    if walked.last < size:
        _stretch(walked, max(newest, walked.last, size - length), size)
    walked.notices += _heads(size)
    _blocks(walked)
    _seals(walked, after=seal)
    return walked


def _stretch(walked: Walked, first: int, last: int) -> None:
    """Check the entries behind ``first`` up to ``last``, against each other and their payloads."""
    rows = Entry.objects.filter(seq__gt=first, seq__lte=last).order_by("seq")
    found, erased, latest = list[Notice](), list[int](), datetime.min.replace(tzinfo=UTC)

    def entries() -> Iterator[chain.Stored]:
        nonlocal latest
        for row in rows.values(*COLUMNS, *BESIDE).iterator(chunk_size=2_000):
            yield stored(row)
            seq = row["seq"]
            if row["action"] != Action.ATTEMPT_REFUSED:
                walked.subjects.setdefault(row["subject"], seq)
            if row["at"] < latest:
                found.append(_entry(seq, "its time is before that of the entry before it"))
            latest = max(latest, row["at"])
            if row["payload__entry"] is None:
                found.append(_entry(seq, "its payload is missing"))
            elif row["payload__body"] is None or row["payload__salt"] is None:
                erased.append(seq)

    for fault in chain.faults(entries(), _start(first, last)):
        found.append(_entry(fault.seq, fault.reason))
    found += [
        _entry(seq, "its payload was erased, and no entry says so") for seq in _untold(erased)
    ]
    walked.notices += some(found)


def _start(first: int, last: int) -> chain.Start:
    """Where the chains stood at ``first``, as far as the stretch behind it goes on with them."""
    if first == 0:
        return chain.Start()
    before = Entry.objects.filter(seq=first).values_list("hash", flat=True).first()
    stretch = Entry.objects.filter(seq__gt=first, seq__lte=last)
    begins = stretch.values("object").annotate(at=Min("object_seq")).order_by()
    names = {row["object"]: row["at"] - 1 for row in begins if row["at"] > 1}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT object, object_seq, hash FROM audit_entry"
            " JOIN unnest(%s::text[], %s::bigint[]) AS wanted (name, place)"
            " ON object = name AND object_seq = place",
            [list(names), list(names.values())],
        )
        ends = {name: (seq, last) for name, seq, last in cursor.fetchall()}
    return chain.Start(first, before or chain.GENESIS, ends)


def _untold(erased: list[int]) -> list[int]:
    """Of entries without a payload, those whose erasing no entry tells."""
    subjects = [f"entry:{seq}" for seq in erased]
    told = set(
        Entry.objects.filter(subject__in=subjects, action="payload.erased").values_list(
            "subject", flat=True
        )
    )
    return [seq for seq in erased if f"entry:{seq}" not in told]


def _heads(size: int) -> list[Notice]:
    found = []
    head, last = Head.objects.first(), Entry.objects.filter(seq=size).first()
    said = (head.seq, head.hash) if head else (0, chain.GENESIS)
    if said != (size, last.hash if last else chain.GENESIS):
        text = f"the head stands at entry {said[0]}, and the log ends with entry {size}"
        same = " of another hash" if said[0] == size else ""
        found.append(Notice(Area.HEAD, text + same))
    with connection.cursor() as cursor:
        cursor.execute(_WRONG_HEADS, [MOST])
        names = [name for (name,) in cursor.fetchall()]
    found += [Notice(Area.HEAD, f"the chain of {name} does not end at its head") for name in names]
    total = ObjectHead.objects.aggregate(total=Sum("seq"))["total"] or 0
    if total != size and not names:
        found.append(Notice(Area.HEAD, "the objects' chains do not add up to the log"))
    strays = Payload.objects.filter(pk__gt=size).values_list("pk", flat=True)[:MOST]
    return [*found, *(_entry(seq, "its payload belongs to no entry") for seq in strays)]


def _blocks(walked: Walked) -> None:
    """Compare the tree's kept blocks with the entries of this stretch."""
    first, last = walked.first // merkle.BLOCK, walked.last // merkle.BLOCK
    kept = dict(
        Block.objects.filter(number__gte=first, number__lt=last).values_list("number", "root")
    )
    if not kept:
        return
    leaves = Entry.objects.filter(
        seq__gt=first * merkle.BLOCK, seq__lte=last * merkle.BLOCK
    ).order_by("seq")
    hashes = [bytes.fromhex(each) for each in leaves.values_list("hash", flat=True)]
    for number, root in sorted(kept.items()):
        start = (number - first) * merkle.BLOCK
        if merkle.root(hashes[start : start + merkle.BLOCK]).hex() != root:
            low, high = number * merkle.BLOCK + 1, (number + 1) * merkle.BLOCK
            text = f"entries {low} to {high} are not those that were sealed as a block"
            walked.notices.append(Notice(Area.CHECKPOINT, text))


def _seals(walked: Walked, *, after: int) -> None:
    """Open the next checkpoints and the newest, and hold their roots against the log."""
    rows = Checkpoint.objects.order_by("size")
    most = min(max(SEALS, rows.count() // ROUNDS), MOST_SEALS)
    share = list(rows.filter(size__gt=after)[:most])
    walked.all_seals = after == 0 and len(share) < most
    walked.next_seal = share[-1].size if len(share) == most else 0
    newest = rows.reverse()[:1]
    walked.sealed = list({row.pk: row for row in (*share, *newest)}.values())
    keys, tree, found = known_keys(), checkpoints.tree(), list[Notice]()
    is_other = False
    for row in sorted(walked.sealed, key=lambda row: row.size):
        problem = _wrong_with(row, keys=keys, tree=tree, size=walked.size)
        # What is other in a small log is so in every larger one: that is said once.
        if problem and not (is_other and problem == OTHERS):
            text = f"the checkpoint of {row.size} entries in the database: {problem}"
            found.append(Notice(Area.CHECKPOINT, text))
        is_other = is_other or problem == OTHERS
    walked.notices += some(found)


def _wrong_with(row: Checkpoint, *, keys: Iterable[Verifier], tree: merkle.Tree, size: int) -> str:
    try:
        note = notes.open_note(row.note, keys)
    except BadNote as error:
        return str(error)
    if (note.size, note.root.hex()) != (row.size, row.root):
        return "it is not what was signed"
    if row.size > size:
        return "it covers more than there is"
    if tree.root(0, row.size) != note.root:
        return OTHERS
    return ""


def against_sinks(sealed: Iterable[Checkpoint], *, behind: Mapping[str, int]) -> list[Notice]:
    """Compare checkpoints with what each sink holds of them. Asks the sinks: no transaction.

    Args:
        behind: of each sink by name, up to where the sealer has brought it.
    """
    found = list[Notice]()
    wanted = {(row.epoch, row.size): row.note for row in sealed}
    for sink in open_sinks(settings.CONFIG.checkpoint_sinks):
        try:
            for (epoch, size), note in sorted(wanted.items()):
                there = next(sink.sizes(epoch, after=size - 1), None) == size
                text = f"{sink.name}: the checkpoint of {size} entries "
                if there and sink.read(epoch, size) != note:
                    found.append(Notice(Area.SINK, text + "was changed"))
                elif not there and size <= behind.get(sink.name, 0):
                    found.append(Notice(Area.SINK, text + "is gone"))
        except Unavailable:
            continue  # Its alarm is the sealer's.
    return some(found)


def known_keys() -> list[Verifier]:
    """Whose signatures count, as this process was told from outside."""
    path = settings.CONFIG.checkpoint_keys_file
    return notes.read_keys(path.read_text()) if path else []


def some(found: list[Notice]) -> list[Notice]:
    """Name the first, and say how many more there are: one alarm, not thousands."""
    if len(found) <= MOST:
        return found
    more = Notice(found[MOST].area, f"and more than {MOST} of these")
    return [*found[:MOST], more]


def _entry(seq: int, reason: str) -> Notice:
    return Notice(Area.ENTRY, f"entry {seq}: {reason}")
