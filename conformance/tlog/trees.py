"""Trees of RFC 6962, section 2.1, by its recursive definitions: roots and proofs.

Written from the specification, and not translated from the Rust code.
"""

import hashlib


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def node(left, right):
    return sha(b"\1", left, right)


def split(size):
    return 1 << (size - 1).bit_length() - 1


def tree_root(hashes):
    """The root over leaf hashes."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha()
    middle = split(len(hashes))
    return node(tree_root(hashes[:middle]), tree_root(hashes[middle:]))


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
