"""Signed notes, checkpoints, cosignatures, tlog-proofs and policies, as c2sp.org describes them.

Written from the specifications, and not translated from the Rust code.
"""

import base64
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from trees import inclusion_root, sha


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
