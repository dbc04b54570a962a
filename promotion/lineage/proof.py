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
from promotion.lineage.sources import NOT_SUPPLIED, Json, Sources


def completeness(sources: Sources, *, derived: Mapping[str, object]) -> Json:
    """Count what there is, and hold the entries against the tables.

    Args:
        derived: the states per environment that follow from the entries alone.
    """
    chain_ = sources.chain
    replayed = {
        place: (found["state"], found["role"])
        for place, found in derived.items()
        if isinstance(found, Mapping)
    }
    return {
        "object": f"model:{sources.card.model}",
        "first": chain_[0].object_seq if chain_ else 0,
        "last": chain_[-1].object_seq if chain_ else 0,
        "entries_of_the_model": len(chain_),
        "entries_of_this_version": len(sources.own),
        "is_gapless": [r.object_seq for r in chain_] == list(range(1, len(chain_) + 1)),
        "by_action": dict(sorted(Counter(record.action for record in sources.own).items())),
        "erased_payloads": [record.seq for record in sources.own if record.payload is None],
        "entries_agree_with_tables": replayed == dict(sources.decided),
        "periods_without_checkpoint": NOT_SUPPLIED,
    }


def annex(sources: Sources) -> Json:
    """Give the entries themselves: leaves of the whole chain, payloads of what concerns us."""
    beside = (*sources.causes, *sources.policies, *sources.agents)
    used = {record.seq: record for record in (*beside, *sources.own)}
    return {
        "how": (
            "hash = SHA-256 of a zero byte and the leaf; a leaf holds the hash of the entry"
            " before it of the same object; payload_sha256 = SHA-256 of salt and payload"
        ),
        "chain": [{"seq": r.seq, "hash": r.hash, "leaf": r.leaf} for r in sources.chain],
        "others": [
            {"seq": r.seq, "hash": r.hash, "leaf": r.leaf}
            for r in sorted(beside, key=lambda record: record.seq)
            if r.object != f"model:{sources.card.model}"
        ],
        "payloads": [
            {"seq": seq, "salt": record.salt, "payload": record.payload}
            for seq, record in sorted(used.items())
        ],
        "head": {"size": sources.size, "hash": sources.head},
    }


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
        if payload["payload"] is None:
            continue
        salted = bytes.fromhex(payload["salt"]), payload["payload"].encode()
        named = json.loads(leaves.get(payload["seq"], "{}")).get("payload_sha256")
        if chain.payload_hash(*salted) != named:
            found.append(f"entry {payload['seq']}: its payload does not have the hash in its leaf")
    return found
