"""ICC profiles written byte by byte from a colour space's definition, and its colours in sRGB by
the formulas: nothing here comes from a library of colour.
"""

import struct

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])  # the white of profiles, ICC.1:2022, 7.2.16
D65 = (0.3127, 0.3290)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))  # Display P3: SMPTE EG 432-1, D65
SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))  # IEC 61966-2-1
_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # both have sRGB's
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def to_xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Linear RGB to XYZ with the white D65."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return columns * np.linalg.solve(columns, _white(D65))


def p3_in_srgb(colours: np.ndarray) -> np.ndarray:
    """Display P3's colours [..., 3], 0 to 255, as sRGB's, clipped to what sRGB has."""
    encoded = colours / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    linear = linear @ (np.linalg.inv(to_xyz(SRGB)) @ to_xyz(P3)).T
    linear = linear.clip(0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return encoded * 255


def matrix_profile(primaries: tuple[tuple[float, float], ...]) -> bytes:
    """A version 4 profile of three primaries and sRGB's curve."""
    cones = (_BRADFORD @ D50) / (_BRADFORD @ _white(D65))
    columns = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ to_xyz(primaries)
    curve = b"para" + struct.pack(">IHH5i", 0, 3, 0, *(_fixed(value) for value in _CURVE))
    tags = {b"wtpt": _xyz(D50)}
    for name, column in zip((b"r", b"g", b"b"), columns.T, strict=True):
        tags |= {name + b"XYZ": _xyz(column), name + b"TRC": curve}
    return profile(b"RGB ", b"XYZ ", tags)


def profile(
    space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr"
) -> bytes:
    """A header, a table of tags and their data, each from a multiple of four on."""
    start, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    size = start + len(data)
    header = struct.pack(">I4sI", size, b"\0" * 4, 0x04300000) + b"mntr" + space + connection
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + _xyz(D50)[8:]
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def _white(xy: tuple[float, float]) -> np.ndarray:
    return np.array([xy[0] / xy[1], 1, (1 - xy[0] - xy[1]) / xy[1]])


def _fixed(value: float) -> int:
    return round(value * 65536)


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ " + struct.pack(">I3i", 0, *(_fixed(value) for value in values))
