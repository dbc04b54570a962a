"""That nothing about the version is missing, and the entries to check it with.

The chain of the model's object is given whole: its numbers run without a gap and
each entry names the hash of the one before it, so no entry about the model up to the
log's size was left out or changed. Payloads are given for this version's entries only.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping

import rfc8785

from governance.audit import chain
from governance.audit.actions import Action
from promotion.lineage.sources import ERASED, Json, Record, Sources


def completeness(sources: Sources) -> Json:
    """Count what there is. Whether the tables say the same is held against the entries outside."""
    chain_ = sources.chain
    return {
        "object": sources.object,
        "first": chain_[0].object_seq if chain_ else 0,
        "last": chain_[-1].object_seq if chain_ else 0,
        "entries_of_the_model": len(chain_),
        "entries_of_this_version": len(sources.own),
        "entries_beside": len(sources.with_payloads()) - len(sources.own),
        "is_gapless": [r.object_seq for r in chain_] == list(range(1, len(chain_) + 1)),
        "by_action": dict(sorted(Counter(record.action for record in sources.own).items())),
        "model_by_action": dict(sorted(Counter(record.action for record in chain_).items())),
        "erased_payloads": [r.seq for r in sources.with_payloads() if r.payload is None],
        "imported": "nothing: all that is told here was witnessed when it happened",
        "reconciliation": "entries against tables, and periods without sealing: in the statement",
    }


def annex(sources: Sources) -> Json:
    """Give the entries themselves: leaves of the whole chain, payloads of what concerns us."""
    used = sources.with_payloads()
    return {
        "how": (
            "hash = SHA-256 of a zero byte and the leaf; a leaf holds the hash of the entry"
            " before it of the same object; payload_sha256 = SHA-256 of salt and payload;"
            " sha256 of a document is that of its exact bytes"
        ),
        "inclusion": (
            "proofs that these entries are in the sealed log lie in the bundle form of this"
            " report, with its checkpoints and a verifier: Accept: application/zip"
        ),
        "chain": [{"seq": r.seq, "hash": r.hash, "leaf": r.leaf} for r in sources.chain],
        "others": [
            {"seq": r.seq, "hash": r.hash, "leaf": r.leaf}
            for r in used
            if r.object != sources.object
        ],
        "payloads": [_payload(record) for record in used],
        "documents": _documents(sources),
        "head": {"size": sources.size, "hash": sources.head},
    }


def _payload(record: Record) -> Json:
    if record.payload is None:
        return {"seq": record.seq, "salt": ERASED, "payload": ERASED}
    return {"seq": record.seq, "salt": record.salt, "payload": record.payload}


def _documents(sources: Sources) -> list[Json]:
    """The exact bytes of what entries name by its hash only: evidence frozen and attested."""
    opened = {record.request for record in sources.own if record.request}
    frozen = [
        ("evidence", f"request:{asked.id}", asked.evidence)
        for asked in sources.requests.values()
        if asked.id in opened
    ]
    known = {r.subject for r in sources.own if r.action == Action.VERSION_ATTESTED}
    given = [
        (one.kind, f"attestation:{one.id}", one.document)
        for one in sources.attested.values()
        if f"attestation:{one.id}" in known
    ]
    texts = [(*row[:2], chain.canonical(dict(row[2]))) for row in (*frozen, *given)]
    return [
        {
            "what": what,
            "subject": subject,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "document": text,
        }
        for what, subject, text in sorted(texts)
    ]


def faults(document: Mapping[str, object]) -> list[str]:
    """Check a report by itself; return what is wrong with it.

    The envelope's signature is not checked here: that needs the key.
    """
    body = document.get("body")
    if not isinstance(body, Mapping):
        return ["there is no body"]
    found = []
    if hashlib.sha256(rfc8785.dumps(dict(body))).hexdigest() != document.get("report_id"):
        found.append("the body does not have the report's id")
    proof = body["proof"]
    found += _chain_faults(proof["chain"], str(body["completeness"]["object"]))
    found += [
        f"entry {entry['seq']}: its leaf does not have its hash"
        for entry in proof["others"]
        if chain.leaf_hash(entry["leaf"].encode()) != entry["hash"]
    ]
    return found + _payload_faults(proof)


def _chain_faults(entries: list[Mapping[str, str]], name: str) -> list[str]:
    found = []
    previous, expected = chain.GENESIS, 1
    for entry in entries:
        leaf = json.loads(entry["leaf"])
        where = f"entry {entry['seq']}"
        if chain.leaf_hash(entry["leaf"].encode()) != entry["hash"]:
            found.append(f"{where}: its leaf does not have its hash")
        if (leaf["seq"], leaf["object"]) != (entry["seq"], name):
            found.append(f"{where}: its leaf is of another entry")
        if (leaf["object_seq"], leaf["prev_object_hash"]) != (expected, previous):
            found.append(f"{where}: it does not follow the entry before it")
        previous, expected = entry["hash"], expected + 1
    return found


def _payload_faults(proof: Mapping[str, list[Mapping[str, str]]]) -> list[str]:
    leaves = {entry["seq"]: entry["leaf"] for entry in (*proof["chain"], *proof["others"])}
    found = []
    for payload in proof["payloads"]:
        if payload["salt"] == ERASED:
            continue
        salted = bytes.fromhex(payload["salt"]), payload["payload"].encode()
        named = json.loads(leaves.get(payload["seq"], "{}")).get("payload_sha256")
        if chain.payload_hash(*salted) != named:
            found.append(f"entry {payload['seq']}: its payload does not have the hash in its leaf")
    return found
