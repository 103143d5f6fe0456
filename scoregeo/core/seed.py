"""Randomness: every draw comes from a generator named by a seed and a purpose."""

import hashlib

import torch


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose of one run.

    Streams for different purposes ("pairs", "noise", ...) are independent, so adding a draw to one part of the code
    does not move another's. Equal (seed, purpose) gives equal draws on every machine.
    """
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") % (2**63))
