"""Entries, receipts, heads and bundles, as docs/internals/journal.md lays them out.

Written from that page alone. What does not hold raises one of `REFUSALS`.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tlog_check import sha

REFUSALS = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError,
            InvalidSignature)
LEAVES = {1: "uuuuuuuhhh", 2: "uuuuuh", 4: "uuuuth", 5: "uuuuuthhuu"}
KINDS = "control write delete read operator investigator key system".split()
ZEROS = bytes(32)


def need(holds):
    if not holds:
        raise ValueError


def big(number, width):
    return number.to_bytes(width, "big")


def leaf_hash(data):
    return sha(b"\0", data)


def encode(value):
    """An item of CBOR in its one form."""
    if value is None:
        return b"\xf6"
    body = {bytes: lambda: value, str: lambda: value.encode(), int: lambda: b"",
            list: lambda: b"".join(map(encode, value))}[type(value)]()
    number = value if type(value) is int else len(value if type(value) is list else body)
    width = next(w for w in (0, 1, 2, 4, 8) if number < (1 << 8 * w if w else 24))
    short, start = (23 + width.bit_length(), big(number, width)) if width else (number, b"")
    return bytes([{int: 0, bytes: 2, str: 3, list: 4}[type(value)] << 5 | short]) + start + body


def item(data, at):
    """The item that begins at a place, and the place behind it."""
    first, at = data[at], at + 1
    kind, number = first >> 5, first & 31
    if first == 0xF6:
        return None, at
    need(kind in (0, 2, 3, 4) and number < 28)
    if number > 23:
        end = at + (1 << number - 24)
        need(end <= len(data))
        number, at = int.from_bytes(data[at:end], "big"), end
    if kind == 0:
        return number, at
    if kind == 4:
        values = []
        for _ in range(number):
            value, at = item(data, at)
            values.append(value)
        return values, at
    need(at + number <= len(data))
    taken = data[at:at + number]
    return (taken.decode() if kind == 3 else taken), at + number


def cbor(data):
    """The one item that the bytes are; raises if another form of it would be shorter."""
    value, end = item(data, 0)
    need(end == len(data) and encode(value) == data)
    return value


def read(data, pattern):
    """The items of an array: u number, t text, b bytes, h hash, a array, ? anything."""
    values, types = cbor(data), {"u": int, "t": str, "b": bytes, "h": bytes, "a": list}
    need(type(values) is list and len(values) == len(pattern))
    for value, letter in zip(values, pattern):
        need(letter == "?" or type(value) is types[letter])
        need(letter != "h" or len(value) == 32)
    return values


def entry(data):
    version, kind, _op, site, boot, t_ms, label, seq, prev, fields = read(data, "uutuuuhuhh")
    need(version == 1 and 1 <= kind <= 8 and boot < 1 << 32 and seq > 0)
    return {"kind": kind, "site": site, "t_ms": t_ms, "label": label, "seq": seq, "prev": prev,
            "fields": fields, "hash": leaf_hash(data)}


def commitment(i, label, seq, salt, value):
    need(len(salt) == 16)
    cbor(value)
    return sha(b"lz/field/1", bytes([i]), label, big(seq, 8), salt, value)


def unseal(key, boot, seq, t_ms, sealed):
    """Salts and values of sealed groups."""
    nonce, opened = bytes(4) + big(boot, 4) + big(seq, 8), []
    for i, data in enumerate(sealed, 1):
        info = b"lz/log/1" + big(t_ms // 86_400_000, 4) + bytes([i])
        day_key = HKDF(SHA256(), 32, None, info).derive(key)
        stream = Cipher(ChaCha20(day_key, nonce), None).encryptor().update(bytes(16) + data)
        opened.append((stream[:16], stream[16:]))
    return opened


def chain(entries, head):
    """The entries of an account from its first to its head."""
    prev = ZEROS
    for seq, data in enumerate(entries, 1):
        found = entry(data)
        need(found["seq"] == seq and found["prev"] == prev)
        prev = found["hash"]
    need(prev == head)


def items(data):
    """What stands behind lengths of 32 bits."""
    while data:
        length = int.from_bytes(data[:4], "big")
        need(4 + length <= len(data))
        yield data[4:4 + length]
        data = data[4 + length:]


def segment(data):
    """Number and entries of a segment's file."""
    magic = b"lazuli segment 1\n"
    need(data.startswith(magic))
    n, at = item(data, len(magic))
    count, at = item(data, at)
    entries = list(items(data[at:]))
    need(len(entries) == count and data.startswith(magic + encode(n) + encode(count)))
    return n, entries


def spine(leaves):
    """SEGMENT leaves, and HEADS leaves by index; raises if the leaves do not fit together."""
    segments, maps, prev, end, event, boot, heads = [], {}, ZEROS, 0, 0, 0, 0
    for index, data in enumerate(leaves):
        version, kind, site, n, *rest = read(data, LEAVES[cbor(data)[1]])
        need(version == 1 and site == cbor(leaves[0])[2])
        if kind == 1:
            t0, t1, root = rest[1:4]
            need(n == len(segments) and rest[5] == prev and end <= t0 <= t1 and rest[0] >= boot)
            segments.append({"root": root, "site": site, "end": t1})
            prev, end, boot = leaf_hash(data), t1, rest[0]
        elif kind == 2:
            need(heads <= n < len(segments))
            maps[index], heads = {"n": n, "root": rest[1], "end": segments[n]["end"]}, n
        elif kind == 5:
            need(rest[1] in ("heartbeat", "boot", "gap", "shutdown") and rest[4] <= rest[5])
            need(n >= boot and rest[0] >= event)
            boot, event = n, rest[0]
    return segments, maps


def hashes(data):
    need(len(data) % 32 == 0)
    return [data[at:at + 32] for at in range(0, len(data), 32)]


def prove_head(root, label, head, proof):
    """Raises if the map does not say that this is the account's head, or with None that it has none."""
    siblings, other = hashes(proof[0]), proof[1]
    bits = [int.from_bytes(label, "big") >> 255 - depth & 1 for depth in range(256)]
    need(len(siblings) <= 256 and len(label) == 32)
    if head is not None:
        need(other is None)
        end = sha(b"\0", label, sha(b"lz/head/1", label, big(head[0], 8), head[1]))
    elif other is None:
        end = ZEROS
    else:
        apart = int.from_bytes(label, "big") ^ int.from_bytes(other[0], "big")
        need(len(other[0]) == len(other[1]) == 32 and 0 < apart < 1 << 256 - len(siblings))
        end = sha(b"\0", *other)
    for bit, sibling in reversed(list(zip(bits, siblings))):
        end = sha(b"\1", *((sibling, end) if bit else (end, sibling)))
    need(end == root)
