"""An independent check of the log's vectors: hashlib, cryptography and the specifications only.

`tlog_check.py FILE...` checks every vector and ends with `N passed, N failed`. Trees are in
`trees.py`, what is signed in `notes.py`; tiles follow c2sp.org.
"""

import functools
import json
import re
import sys

from cryptography.exceptions import InvalidSignature

from notes import b64, quorum, verify_note, vkey
from trees import consistent, inclusion_root, node, sha, split


@functools.cache
def mth(start, end):
    """The hash over the entries start to end of the tree of the vectors."""
    if end - start < 2:
        return sha(b"\0entry %d" % start) if end > start else sha()
    middle = start + split(end - start)
    return node(mth(start, middle), mth(middle, end))


def tile_path(path):
    """Level, first hash and width of a tile; raises if no tree of less than 2^63 leaves has it."""
    level, index, width = re.fullmatch(
        r"tile/(entries|0|[1-9]\d?)/((?!x000)(?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", path
    ).groups()
    level, first = int(level.replace("entries", "0")), 256 * int(re.sub("[x/]", "", index))
    if width == "256" or int(width or 256) > 256 or first + int(width or 256) << 8 * level >= 2**63:
        raise ValueError("path")
    return level, first, int(width or 256)


def attempt(call, *arguments):
    """The result, or None for a refusal."""
    try:
        return call(*arguments)
    except (ValueError, AttributeError, InvalidSignature):
        return None


def checks(vectors):
    of = lambda kind: vectors.get(kind, [])
    for v in of("roots"):
        yield f"root {v['size']}", mth(0, v["size"]) == b64(v["root"])
    for v in of("inclusion"):
        leaf, proof = b64(v["leaf"]), [*map(b64, v["proof"])]
        found = attempt(inclusion_root, leaf, v["index"], v["size"], proof)
        yield f"inclusion {v['index']} {v['size']}", (found == b64(v["root"])) == v["good"]
    for v in of("consistency"):
        old, new, proof = b64(v["old_root"]), b64(v["new_root"]), [*map(b64, v["proof"])]
        found = attempt(consistent, v["old"], old, v["new"], new, proof)
        yield f"consistency {v['old']} {v['new']}", bool(found) == v["good"]
    for v in of("tiles"):
        level, first, width = tile_path(v["path"])
        hashes = [mth(n << 8 * level, n + 1 << 8 * level) for n in range(first, first + width)]
        yield v["path"], sha(*hashes) == b64(v["sha256"])
    for v in of("tile_paths"):
        yield v["path"], (attempt(tile_path, v["path"]) is not None) == v["good"]
    for v in of("bundles"):
        parts = [len(entry).to_bytes(2, "big") + entry.encode() for entry in v["entries"]]
        yield "bundle", b"".join(parts).hex() == v["hex"]
    for v in of("notes"):
        _, found = attempt(verify_note, v["note"], [*map(vkey, v["keys"])]) or (None, None)
        yield "note", (found or None) == v["verified"]
    for v in of("proofs"):
        found = attempt(quorum, v["policy"], v["proof"], v["entry"].encode())
        yield f"proof of {v['entry']}", found == v["quorum"]


if __name__ == "__main__":
    results = [result for path in sys.argv[1:] for result in checks(json.load(open(path)))]
    bad = [name for name, good in results if not good]
    print("".join(f"FAIL {name}\n" for name in bad), end="")
    print(f"{len(results) - len(bad)} passed, {len(bad)} failed")
    sys.exit(1 if bad or not results else 0)
