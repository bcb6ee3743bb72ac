"""What a client saved, and bundles, as docs/internals/journal.md lays them out.

Written from that page alone. What does not hold raises one of `evidence.REFUSALS`.
"""

import base64
import itertools
import re

from evidence import (
    KINDS, LEAVES, ZEROS, commitment, encode, entry, hashes, items, leaf_hash, need, prove_head,
    read, spine)
from tlog_check import (
    b64, inclusion_root, quorum, read_policy, sha, tree_root, verify_signature, witnessed)

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST = "manifest-sha256.txt"


def header(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(base64.urlsafe_b64encode(data).decode().rstrip("=") == text)
    return data


def saved(policy, file):
    """What holds of a file that a client saved: both headers, a proof, or all of them."""
    text, mark, proof = file.partition("c2sp.org/tlog-proof@v1\n")
    headers = {name.lower(): value.strip(" \r")
               for name, _, value in (line.partition(":") for line in text.split("\n"))}
    promised = kept = None
    if not mark or text:
        promised = receipt(policy, headers["x-lz-receipt"], headers["x-lz-opening"])
    if mark:
        kept = upgraded(policy, mark + proof)
    need(promised is None or kept is None or promised == kept)
    return {"headers": bool(promised), "proof": bool(kept)}


def receipt(policy, promise, opening):
    """Segment, index and leaf hash of the entry that is promised."""
    version, site, seg, index, size, t_ms, path, id, signature = read(
        header(promise), "uuuuuubbb")
    opened = header(opening)
    sealed = b"" if opened[0] == 0x8B else read(opened, "uutuuuhuhbba")[10]
    opened = read(opened, "uutuuuhuhbba" if sealed else "uutuuuhuhba")
    label, seq, salts, values = opened[6], opened[7], opened[9], opened[-1]
    need(version == 1 and opened[0] == (2 if sealed else 1) and site == opened[3])
    need(len(values) == 12 and len(sealed) == 32 * values.count(None))
    need(len(salts) == 16 * (12 - values.count(None)))
    salts = iter([salts[at:at + 16] for at in range(0, len(salts), 16)])
    sealed = iter(hashes(sealed))
    fields = [next(sealed) if value is None else commitment(i, label, seq, next(salts), value)
              for i, value in enumerate(values, 1)]
    data = encode([1, *opened[1:9], sha(b"lz/fields/1", *fields)])
    root = inclusion_root(entry(data)["hash"], index, size, hashes(path))
    keys = [key for key in read_policy(policy)[0] if key[0].endswith("/receipts") and key[1] == id]
    origin = keys[0][0].removesuffix("/receipts")
    root = base64.b64encode(root).decode()
    verify_signature(keys[0], f"{origin}/seg/{seg}\n{size}\n{root}\nt={t_ms}\n", signature)
    return seg, index, leaf_hash(data)


def upgraded(policy, proof):
    """The same of an entry that is proved up to a witnessed checkpoint."""
    extra = re.match(r".*\nextra (\S+)\n", proof).group(1)
    version, leaf, data, index, size, path = read(b64(extra), "ubbuub")
    sealed = read(leaf, LEAVES[1])
    need(version == sealed[0] == sealed[1] == 1 and quorum(policy, proof, leaf))
    found = entry(data)
    need(inclusion_root(found["hash"], index, size, hashes(path)) == sealed[7])
    need(found["site"] == sealed[2])
    return sealed[3], index, found["hash"]


def public_log(policy, files, folder):
    """What spine() gives, of a folder with all tiles."""
    size, root, is_witnessed = witnessed(policy, files[folder + "checkpoint"].decode())
    need(is_witnessed)

    def tiles(kind, count):
        for n in range(-(-count // 256)):
            width = min(256, count - 256 * n)
            yield files[f"{folder}tile/{kind}/{n:03}" + (f".p/{width}" if width < 256 else "")]

    leaves, rest = [], b"".join(tiles("entries", size))
    while rest:
        end = 2 + int.from_bytes(rest[:2], "big")
        need(end <= len(rest))
        leaves.append(rest[2:end])
        rest = rest[end:]
    found = [*map(leaf_hash, leaves)]
    need(len(leaves) == size and tree_root(found) == root)
    for level in itertools.takewhile(lambda _: found, itertools.count()):
        need(b"".join(tiles(level, len(found))) == b"".join(found))
        found = [tree_root(found[at:at + 256]) for at in range(0, len(found) - 255, 256)]
    return spine(leaves)


def bundle_entry(data, segments):
    seg, index, count, path, bytes_, commitments, opened = read(data, "uuubb?a")
    found = {**entry(bytes_), "seg": seg}
    need(inclusion_root(found["hash"], index, count, hashes(path)) == segments[seg]["root"])
    need(found["site"] == segments[seg]["site"])
    if commitments is None:
        need(opened == [])
        return found
    need(len(commitments) == 384 and sha(b"lz/fields/1", commitments) == found["fields"])
    numbers = [i for i, _, _ in opened]
    need(numbers == sorted({*numbers} & {*range(1, 13)}))
    for i, salt, value in opened:
        made = commitment(i, found["label"], found["seq"], salt, value)
        need(hashes(commitments)[i - 1] == made)
    return found


def complete(entries, heads):
    """Raises if the entries of an account are not all between its heads."""
    for before, after in itertools.pairwise(entries):
        need(after["seq"] == before["seq"] + 1 and after["prev"] == before["hash"])
        need(before["seg"] <= after["seg"])
    for found in entries:
        need(found["seq"] > 1 or found["prev"] == ZEROS)
        need(all(seq != found["seq"] or head == found["hash"] for _, seq, head in heads))
        before = [head for _, seq, head in heads if head and seq + 1 == found["seq"]]
        need(all(head == found["prev"] for head in before))
        need(all(found["seg"] > at["n"] or found["seq"] <= seq for at, seq, _ in heads))
    known = [seq for _, seq, _ in heads]
    need(known and known == sorted(known))
    if entries:
        need(entries[-1]["seq"] >= known[-1])
        need(len(known) == 1 or known[0] == known[-1] or entries[0]["seq"] <= known[0] + 1)
        need(len(known) > 1 or entries[0]["seq"] <= known[0])
    else:
        need(len(known) == 1 or known[0] == known[-1])


def claim(line, entries, heads):
    begins = re.fullmatch(r"from ([0-9a-f]{64}) ([1-9]\d*)", line)
    if begins:
        label, start = bytes.fromhex(begins[1]), int(begins[2])
        known = [e["seq"] for e in entries.get(label, [])]
        if known:
            return need(known[0] <= start)
        return need(max(seq for _, seq, _ in heads[label]) < start)
    _, kind, label, start, end = re.fullmatch(
        r"(absent) (\w+) ([0-9a-f]{64}) (\d+) (\d+)", line).groups()
    kind, start, end = KINDS.index(kind) + 1, int(start), int(end)
    entries, heads = entries[bytes.fromhex(label)], heads[bytes.fromhex(label)]
    need(not any(e["kind"] == kind and start <= e["t_ms"] <= end for e in entries))
    first = max((seq for at, seq, _ in heads if at["end"] <= start), default=0)
    last = min(seq for at, seq, _ in heads if at["end"] >= end)
    need(sum(first < e["seq"] <= last for e in entries) == last - first)


def bundle(policy, files):
    listed = {path: bytes.fromhex(digest) for digest, path in (
        line.split("  ", 1) for line in files[MANIFEST].decode().splitlines())}
    need(files["bagit.txt"] == BAGIT and listed == digests(files))
    segments, maps = public_log(policy, files, "data/log/")
    entries, heads = {}, {}
    for data in items(files["data/entries"]):
        found = bundle_entry(data, segments)
        entries.setdefault(found["label"], []).append(found)
    for data in items(files["data/heads"]):
        leaf, label, seq, head, proof = read(data, "uh??a")
        need((seq is None) == (head is None) and len(proof) == 2)
        prove_head(maps[leaf]["root"], label, None if head is None else (seq, head), proof)
        heads.setdefault(label, []).append((maps[leaf], seq or 0, head))
    for label in {*entries, *heads}:
        entries.setdefault(label, []).sort(key=lambda found: found["seq"])
        heads.setdefault(label, []).sort(key=lambda head: head[0]["n"])
        complete(entries[label], heads[label])
    for line in files.get("data/claims", b"").decode().splitlines():
        claim(line, entries, heads)


def digests(files):
    return {path: sha(data) for path, data in files.items() if path.startswith("data/")}
