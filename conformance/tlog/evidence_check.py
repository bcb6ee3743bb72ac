"""Checks the vectors of evidence, and that none holds any more once a byte of it is another.

`evidence_check.py FILE...` ends with `N passed, N failed`. Which vectors must be refused as they
stand, a file says itself; that every altered one must be refused needs no saying.
"""

import hmac
import json
import sys

from evidence import (
    REFUSALS, big, cbor, chain, commitment, encode, entry, items, leaf_hash, need, prove_head,
    segment, spine, unseal)
from bundles import MANIFEST, bundle, digests, saved
from tlog_check import sha, tree_root, witnessed

# How many bytes of a bundle are left alone between two that are altered.
BUNDLE_STEP = 7


def check_seal(v):
    need(v["label"] == sha(b"lz/acct/1", v["account"].encode(), v["blind"]))
    opened = unseal(v["key"], v["boot"], v["seq"], v["t_ms"], v["sealed"])
    need(opened == list(zip(v["salts"], v["values"], strict=True)))
    made = [commitment(i, v["label"], v["seq"], *both) for i, both in enumerate(opened, 1)]
    need(made == v["commitments"] and sha(b"lz/fields/1", *made) == v["fields_root"])


def check_entry(v):
    need(encode(v["items"]) == v["entry"] and leaf_hash(v["entry"]) == v["leaf_hash"])
    need(entry(v["entry"])["hash"] == v["leaf_hash"])


def check_record(v):
    need(encode([v["seg"], v["index"], v["entry"], v["sealed"]]) == v["record"])
    need(entry(v["entry"])["hash"] == v["leaf_hash"] and cbor(v["record"])[2] == v["entry"])


def check_segment(v):
    n, entries = segment(v["file"])
    need(n == v["n"] and tree_root([*map(leaf_hash, entries)]) == v["root"])


def check_count(v):
    salt = hmac.digest(v["secret"], b"lz/seg/1" + big(v["n"], 8), "sha256")[:16]
    numbers = [big(v[name], 8) for name in ("count", "first_version", "last_version")]
    need(sha(b"lz/count/1", salt, *numbers) == v["commitment"])


def check_spine(v):
    size, root, is_witnessed = witnessed(v["policy"], v["checkpoint"])
    need(is_witnessed and size == len(v["leaves"]))
    need(tree_root([*map(leaf_hash, v["leaves"])]) == root)
    spine(v["leaves"])


def check_head(v):
    head = None if v["seq"] is None else (v["seq"], v["head"])
    prove_head(v["root"], v["label"], head, cbor(v["proof"]))


CHECKS = {
    "seal": check_seal,
    "entry": check_entry,
    "record": check_record,
    "chain": lambda v: chain(v["entries"], v["head"]),
    "segment": check_segment,
    "count": check_count,
    "spine": check_spine,
    "saved": lambda v: need(saved(v["policy"], v["file"]) == v["parts"]),
    "head": check_head,
    "bundle": lambda v: bundle(v["policy"], v["files"]),
}


def holds(vector):
    try:
        CHECKS[vector["kind"]](vector)
    except REFUSALS:
        return False
    return True


def loaded(value):
    """Texts that begin with 0x are bytes."""
    if isinstance(value, dict):
        return {key: loaded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [loaded(one) for one in value]
    is_bytes = isinstance(value, str) and value.startswith("0x")
    return bytes.fromhex(value[2:]) if is_bytes else value


def altered(value, step=1):
    """The value again and again, each time with the lowest bit of one byte or letter turned."""
    if isinstance(value, bytes):
        for at in range(0, len(value), step):
            yield value[:at] + bytes([value[at] ^ 1]) + value[at + 1:]
    elif isinstance(value, str):
        for at, letter in enumerate(value):
            yield value[:at] + chr(ord(letter) ^ 1) + value[at + 1:]
    elif isinstance(value, int):
        yield value ^ 1
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from ([*value[:at], other, *value[at + 1:]] for other in altered(one, step))


def forgeries(vector):
    """All altered forms of a vector, but of the fields that it may have in several."""
    if vector["kind"] == "bundle":
        for path, data in vector["files"].items():
            # A forger writes the manifest too, so it is made anew and not altered.
            if path == "data/heads":
                parts = list(items(data))
                # What is denied of one account would be true of another.
                heads = [at for at, part in enumerate(parts) if cbor(part)[2] is not None]
                others = ([*parts[:at], other, *parts[at + 1:]]
                          for at in heads for other in altered(parts[at], BUNDLE_STEP))
                others = (b"".join(big(len(one), 4) + one for one in other) for other in others)
            elif path in ("data/entries", "bagit.txt") or path.startswith("data/log"):
                others = altered(data, BUNDLE_STEP)
            else:
                continue
            for other in others:
                files = {**vector["files"], path: other}
                lines = (f"{digest.hex()}  {name}\n" for name, digest in digests(files).items())
                yield {**vector, "files": {**files, MANIFEST: "".join(lines).encode()}}
        return
    free = {"kind", "name", "good", "policy", "free", *vector.get("free", [])}
    for field in vector.keys() - free:
        yield from ({**vector, field: other} for other in altered(vector[field]))


def results(vectors):
    for vector in vectors:
        name = f"{vector['kind']}: {vector['name']}"
        yield name, holds(vector) == vector["good"]
        if vector["good"]:
            forged = [*map(holds, forgeries(vector))]
            yield f"{name}, altered: {sum(forged)} of {len(forged)} pass", forged and not any(forged)


if __name__ == "__main__":
    found = [one for path in sys.argv[1:] for one in results(loaded(json.load(open(path))))]
    bad = [name for name, good in found if not good]
    print("".join(f"FAIL {name}\n" for name in bad), end="")
    print(f"{len(found) - len(bad)} passed, {len(bad)} failed")
    sys.exit(1 if bad or not found else 0)
