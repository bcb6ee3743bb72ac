"""The log's rules by hashlib, cryptography and the specifications only, and a check by vectors.

Written from RFC 6962, section 2.1, and c2sp.org, not translated, in 200 lines at most.
`tlog_check.py FILE...` checks every vector and ends with `N passed, N failed`.
"""

import base64
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree_root(hashes):
    """The root over leaf hashes."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha()
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return sha(b"\1", tree_root(hashes[:middle]), tree_root(hashes[middle:]))


def inclusion_root(leaf, index, size, proof):
    """What the proof leads to; raises if it is too short or too long."""
    if not 0 <= index < size or (size == 1 and proof):
        raise ValueError("proof")
    if size == 1:
        return leaf
    *below, sibling = proof
    middle = 1 << (size - 1).bit_length() - 1
    if index < middle:
        return sha(b"\1", inclusion_root(leaf, index, middle, below), sibling)
    return sha(b"\1", sibling, inclusion_root(leaf, index - middle, size - middle, below))


def consistency_roots(old, new, proof, old_root=None):
    """The roots that the proof leads to; old_root stands for the tree at the left edge only."""
    if old == new:
        root, = proof if old_root is None else [old_root, *proof]
        return root, root
    *below, sibling = proof
    middle = 1 << (new - 1).bit_length() - 1
    if old <= middle:
        before, after = consistency_roots(old, middle, below, old_root)
        return before, sha(b"\1", after, sibling)
    before, after = consistency_roots(old - middle, new - middle, below)
    return sha(b"\1", sibling, before), sha(b"\1", sibling, after)


def b64(text):
    """The bytes of a text in base64; raises if it is not the one text for them."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64")
    return data


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
        return ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    if kind == 4:
        message = b"cosignature/v1\ntime %d\n" % time + message
    if kind == 6:
        (origin, size, root), name = checkpoint(text), name.encode()
        message = b"subtree/v1\n\0" + bytes([len(name)]) + name + signature[:8]
        message += bytes([len(origin)]) + origin.encode() + bytes(8) + size.to_bytes(8, "big") + root
    verifier = {4: ed25519.Ed25519PublicKey, 6: mldsa.MLDSA44PublicKey}[kind]
    verifier.from_public_bytes(public).verify(signature[8:], message)
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


def read_policy(text):
    """The keys of logs, those of witnesses by name, and whether a set of names is a quorum."""
    logs, witnesses, groups = [], {}, {"none": lambda seen: True}
    for word, *items in filter(None, map(str.split, text.split("\n"))):
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
    return logs, witnesses, groups[wanted]


def witnessed(policy, note):
    """Size and root that a log of the policy signed, and whether its witnesses suffice."""
    logs, witnesses, is_quorum = read_policy(policy)
    text, signed = verify_note(note, logs)
    origin, size, root = checkpoint(text)
    if not any(logs[place][0] == origin for place, _ in signed):
        raise ValueError("unsigned")
    _, cosigned = verify_note(note, list(witnesses.values()))
    return size, root, is_quorum({list(witnesses)[place] for place, _ in cosigned})


def quorum(policy, proof, entry):
    """Whether the policy's witnesses suffice for a tlog-proof; raises if it proves nothing."""
    head, note = proof.split("\n\n", 1)
    index, path = re.fullmatch(
        r"c2sp\.org/tlog-proof@v1\n(?:extra \S*\n)?index (\d+)((?:\n\S+)*)", head).groups()
    size, root, is_witnessed = witnessed(policy, note)
    if inclusion_root(sha(b"\0", entry), int(index), size, [*map(b64, path.split())]) != root:
        raise ValueError("proof")
    return is_witnessed


def tile_path(path):
    """Level, first hash and width of a tile; raises if no tree of less than 2^63 leaves has it."""
    form = r"tile/(entries|0|[1-9]\d?)/((?!x000)(?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?"
    level, index, width = re.fullmatch(form, path).groups()
    level, first = int(level.replace("entries", "0")), 256 * int(re.sub("[x/]", "", index))
    if width == "256" or int(width or 256) > 256 or first + int(width or 256) << 8 * level >= 2**63:
        raise ValueError("path")
    return level, first, int(width or 256)


def attempt(call, *arguments):
    """The result, or None for a refusal."""
    try:
        return call(*arguments)
    except (ValueError, LookupError, AttributeError, InvalidSignature):
        return None


def checks(vectors):
    entries = [sha(b"\0entry %d" % n) for n in range(66_000)]
    for v in vectors.get("roots", []):
        yield f"root {v['size']}", tree_root(entries[:v["size"]]) == b64(v["root"])
    for v in vectors.get("inclusion", []):
        given = b64(v["leaf"]), v["index"], v["size"], [*map(b64, v["proof"])]
        found = attempt(inclusion_root, *given)
        yield f"inclusion {v['index']} {v['size']}", (found == b64(v["root"])) == v["good"]
    for v in vectors.get("consistency", []):
        roots, proof = (b64(v["old_root"]), b64(v["new_root"])), [*map(b64, v["proof"])]
        found = attempt(consistency_roots, v["old"], v["new"], proof, roots[0])
        if v["old"] == 0:  # Every tree continues the empty one, by an empty proof.
            found = roots if proof == [] and roots[0] == sha() else None
        yield f"consistency {v['old']} {v['new']}", (found == roots) == v["good"]
    for v in vectors.get("tiles", []):
        level, first, width = tile_path(v["path"])
        spans = [slice(n << 8 * level, n + 1 << 8 * level) for n in range(first, first + width)]
        yield v["path"], sha(*(tree_root(entries[span]) for span in spans)) == b64(v["sha256"])
    for v in vectors.get("tile_paths", []):
        yield v["path"], (attempt(tile_path, v["path"]) is not None) == v["good"]
    for v in vectors.get("bundles", []):
        yield "bundle", "".join(f"{len(e):04x}{e.encode().hex()}" for e in v["entries"]) == v["hex"]
    for v in vectors.get("notes", []):
        _, found = attempt(verify_note, v["note"], [*map(vkey, v["keys"])]) or (None, None)
        yield "note", (found or None) == v["verified"]
    for v in vectors.get("proofs", []):
        found = attempt(quorum, v["policy"], v["proof"], v["entry"].encode())
        yield f"proof of {v['entry']}", found == v["quorum"]


if __name__ == "__main__":
    results = [result for path in sys.argv[1:] for result in checks(json.load(open(path)))]
    bad = [name for name, good in results if not good]
    passed = f"{len(results) - len(bad)} passed, {len(bad)} failed"
    print(*(f"FAIL {name}" for name in bad), passed, sep="\n")
    sys.exit(1 if bad or not results else 0)
