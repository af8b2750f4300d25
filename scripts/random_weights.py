"""Seeded random weights for SenseVoice: the same numbers as scripts/random-weights.ts, bit for bit.

Element i of a tensor is a pure function of (seed, name, i):
    h      = lowbias32(lowbias32(i) ^ FNV-1a(name) ^ seed)     32-bit integers
    value  = ((h >> 8) - 2^23) * 2^-23                         uniform in [-1, 1), exact in f32
    result = value * scale + offset                            two f32 operations, each rounded once
"""

import re

import numpy as np

# Of 1 to 12, the seed whose full-size golden has the best two logits of every row furthest apart.
SEED = 12

HEADS = ("ctc.ctc_lo.weight", "encoder.out_linear2.linear.weight")


def fnv1a(text: str) -> int:
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def lowbias32(x: np.ndarray) -> np.ndarray:
    """Chris Wellons' hash (https://nullprogram.com/blog/2018/07/31/), in place on a uint32 array."""
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def random_tensor(name: str, shape: tuple[int, ...], scale=1.0, offset=0.0, seed=SEED) -> np.ndarray:
    """f32 numbers, uniform in [offset - scale, offset + scale)."""
    h = lowbias32(np.arange(np.prod(shape), dtype=np.uint32))
    h ^= np.uint32(fnv1a(name) ^ seed)
    top24 = (lowbias32(h) >> np.uint32(8)).astype(np.int32)
    value = (top24 - 2**23).astype(np.float32) * np.float32(2**-23)
    return (value * np.float32(scale) + np.float32(offset)).reshape(shape)


def random_parameter(name: str, shape: tuple[int, ...], seed=SEED) -> np.ndarray:
    """A parameter of FunASR's SenseVoiceSmall or FSMN-VAD, in the range that random-weights.ts explains. FSMN taps come
    as [D, taps].
    """
    if name == "frontend.cmvn.shift":
        scale, offset = 1.0, -8.0
    elif name == "frontend.cmvn.scale":
        scale, offset = 0.02, 0.25
    elif name == "embed.weight":
        scale, offset = np.sqrt(3), 0.0
    elif name.endswith(".bias"):
        scale, offset = 0.1, 0.0
    elif re.search(r"norm\d?\.weight$", name):
        scale, offset = 0.1, 1.0
    else:
        scale, offset = (4 if name in HEADS else 1) * np.sqrt(3 / shape[-1]), 0.0
    return random_tensor(name, shape, scale, offset, seed)


def random_features(rows: int, width: int, seed=SEED) -> np.ndarray:
    """Feature rows of variance 1, as they are after CMVN: [rows, width]."""
    return random_tensor("features", (rows, width), scale=np.sqrt(3), seed=seed)
