"""An independent check of the log's vectors: hashlib, cryptography and the specifications only.

`tlog_check.py FILE...` checks every vector and ends with `N passed, N failed`. The trees follow the
recursive definitions of RFC 6962, section 2.1; tiles, notes, cosignatures, proofs and policies
follow c2sp.org. Nothing here is translated from the Rust code.
"""

import base64
import functools
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

b64 = functools.partial(base64.b64decode, validate=True)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def node(left, right):
    return sha(b"\1", left, right)


def split(size):
    return 1 << (size - 1).bit_length() - 1


@functools.cache
def mth(start, end):
    """The hash over the entries start to end of the tree of the vectors."""
    if end - start < 2:
        return sha(b"\0entry %d" % start) if end > start else sha()
    middle = start + split(end - start)
    return node(mth(start, middle), mth(middle, end))


def inclusion_root(leaf, index, size, proof):
    """What the proof leads to; raises if it is too short or too long."""
    if not 0 <= index < size or (size == 1 and proof):
        raise ValueError("proof")
    if size == 1:
        return leaf
    *below, sibling = proof
    middle = split(size)
    if index < middle:
        return node(inclusion_root(leaf, index, middle, below), sibling)
    return node(sibling, inclusion_root(leaf, index - middle, size - middle, below))


def consistency_roots(old, new, proof, old_root=None):
    """The roots that the proof leads to; old_root stands for the tree at the left edge only."""
    if old == new:
        root, = proof if old_root is None else [old_root, *proof]
        return root, root
    *below, sibling = proof
    middle = split(new)
    if old <= middle:
        before, after = consistency_roots(old, middle, below, old_root)
        return before, node(after, sibling)
    before, after = consistency_roots(old - middle, new - middle, below)
    return node(sibling, before), node(sibling, after)


def consistent(old, old_root, new, new_root, proof):
    if old == 0:
        return proof == [] and old_root == sha() and (new > 0 or new_root == sha())
    return consistency_roots(old, new, proof, old_root) == (old_root, new_root)


def tile_path(path):
    """Level, first hash and width of a tile; raises if no tree of less than 2^63 leaves has it."""
    level, index, width = re.fullmatch(
        r"tile/(entries|0|[1-9]\d?)/((?!x000)(?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", path
    ).groups()
    level, first = int(level.replace("entries", "0")), 256 * int(re.sub("[x/]", "", index))
    if width == "256" or int(width or 256) > 256 or first + int(width or 256) << 8 * level >= 2**63:
        raise ValueError("path")
    return level, first, int(width or 256)


def vkey(text):
    """Name, id, type and public key."""
    name, id, key = text.split("+", 2)
    if sha(name.encode(), b"\n", b64(key))[:4].hex() != id:
        raise ValueError("key id")
    return name, bytes.fromhex(id), b64(key)[0], b64(key)[1:]


def checkpoint(text):
    origin, size, root = text.split("\n")[:3]
    return origin, int(size), b64(root)


def verify_signature(key, text, signature):
    """Verifies one signature of a note and gives its time, if it has one; raises otherwise."""
    name, _, kind, public = key
    time, message = int.from_bytes(signature[:8], "big"), text.encode()
    if kind == 1:
        return Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    if kind == 4:
        message = b"cosignature/v1\ntime %d\n" % time + message
        Ed25519PublicKey.from_public_bytes(public).verify(signature[8:], message)
    if kind == 6:
        (origin, size, root), name = checkpoint(text), name.encode()
        message = b"subtree/v1\n\0" + bytes([len(name)]) + name + signature[:8]
        message += bytes([len(origin)]) + origin.encode() + bytes(8) + size.to_bytes(8, "big") + root
        MLDSA44PublicKey.from_public_bytes(public).verify(signature[8:], message)
    return time


def verify_note(note, keys):
    """The text, and key and time of each signature of a known key; raises if one is wrong."""
    end = note.rindex("\n\n")
    text, verified = note[:end + 1], []
    for line in note[end + 2:].removesuffix("\n").split("\n"):
        name, signature = re.fullmatch(r"\u2014 (\S+) (\S+)", line).groups()
        for place, key in enumerate(keys):
            if key[:2] == (name, b64(signature)[:4]):
                verified.append([place, verify_signature(key, text, b64(signature)[4:])])
    return text, verified


def quorum(policy, proof, entry):
    """Whether the policy's witnesses suffice for a tlog-proof; raises if it proves nothing."""
    logs, witnesses, groups = [], {}, {"none": lambda seen: True}
    for word, *items in filter(None, map(str.split, policy.split("\n"))):
        if word == "log":
            logs.append(vkey(items[0]))
        elif word == "witness":
            witnesses[items[0]] = vkey(items[1])
            groups[items[0]] = lambda seen, name=items[0]: name in seen
        elif word == "group":
            name, k, *members = items
            k = {"any": 1, "all": len(members)}.get(k) or int(k)
            groups[name] = lambda seen, k=k, members=members: (
                sum(groups[member](seen) for member in members) >= k)
        else:
            wanted = items[0]
    head, note = proof.split("\n\n", 1)
    index, path = re.fullmatch(
        r"c2sp\.org/tlog-proof@v1\n(?:extra \S*\n)?index (\d+)((?:\n\S+)*)", head).groups()
    text, signed = verify_note(note, logs)
    origin, size, root = checkpoint(text)
    leaf, path = sha(b"\0", entry.encode()), [*map(b64, path.split())]
    is_signed = signed and logs[signed[0][0]][0] == origin
    if not is_signed or inclusion_root(leaf, int(index), size, path) != root:
        raise ValueError("proof")
    _, cosigned = verify_note(note, list(witnesses.values()))
    return groups[wanted]({list(witnesses)[place] for place, _ in cosigned})


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
        found = attempt(quorum, v["policy"], v["proof"], v["entry"])
        yield f"proof of {v['entry']}", found == v["quorum"]


if __name__ == "__main__":
    results = [result for path in sys.argv[1:] for result in checks(json.load(open(path)))]
    bad = [name for name, good in results if not good]
    print("".join(f"FAIL {name}\n" for name in bad), end="")
    print(f"{len(results) - len(bad)} passed, {len(bad)} failed")
    sys.exit(1 if bad or not results else 0)
