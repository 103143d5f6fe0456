"""What `scoregeo score` prints: a line a row, and what to know of the numbers."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scoregeo._utils.words import aligned

if TYPE_CHECKING:
    from scoregeo.evaluation.frame_folder import FrameSequence
    from scoregeo.evaluation.networks import Networks

COLUMNS = {
    "sequences": "sequences",
    "frames": "frames",
    "ppl": "PPL",
    "pdv": "PDV",
    "lpips_mean": "LPIPS mean",
    "lpips_deviation": "deviation",
    "lpips_greatest": "greatest",
    "fid": "FID",
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "compared": "frames compared",
    "references": "references",
}
_STAND_IN = ("fid", "kid", "precision", "recall")
_SHOWN = tuple(
    name for name in COLUMNS if name not in ("lpips_deviation", "compared", "references")
)


def printed(rows: Sequence[Mapping[str, Any]], notes: Sequence[str], networks: "Networks") -> str:
    """The table and the notes."""
    titles = dict(COLUMNS)
    if getattr(networks.features, "name", "inception") != "inception":
        titles |= {name: f"{COLUMNS[name]}*" for name in _STAND_IN}
    shown = [name for name in _SHOWN if any(row.get(name) is not None for row in rows)]
    lines = [[str(row["name"]), *(_number(row.get(name)) for name in shown)] for row in rows]
    table = aligned(["", *(titles[name] for name in shown)], lines)
    return "\n".join([table, "", *notes])


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as CSV, with every column; what was not measured is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["name", *COLUMNS], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def notes_of(
    networks: "Networks",
    sequences: "Sequence[FrameSequence]",
    reference: Sequence[int] | None,
    side: int,
    *,
    inner: bool,
) -> list[str]:
    """What the numbers were computed of and by, a line each.

    `reference`: its number of pictures and of features; None where FID and KID are not measured.
    """
    from scoregeo.evaluation.networks import USED
    from scoregeo.evaluation.precision_recall import NEIGHBOURS
    from scoregeo.evaluation.statistics import NotAvailable

    lpips, features = networks.lpips, networks.features
    notes = []
    if isinstance(lpips, NotAvailable):
        notes.append(f"LPIPS is not available: {lpips.reason}.")
    elif lpips is not None:
        notes.append(
            f"LPIPS v0.1 {lpips.net}, backbone SHA-256 {lpips.digest}, of neighbouring frames at"
            f" {side} x {side} in [-1, 1]. PPL: their sum. PDV: their variance. Means over"
            " sequences; both depend on the number of frames."
        )
    sizes = sorted({size for one in sequences for size in one.sizes})
    if len(sizes) > 1:
        shown = ", ".join(f"{width} x {height}" for width, height in sizes[:4])
        more = f" and {len(sizes) - 4} more" if len(sizes) > 4 else ""
        notes.append(
            f"Frames have several sizes ({shown}{more}). LPIPS resizes each to {side} x {side}; FID"
            " and KID take each at its own size, and their network resizes it."
        )
    if isinstance(features, NotAvailable):
        notes.append(f"FID and KID are not available: {features.reason}.")
    elif features is not None and reference is not None:
        which, (count, size) = "inner frames" if inner else "frames", reference
        rank = f" The references' covariance has rank {count - 1} of {size}." * (count <= size)
        notes.append(
            f"FID, KID: all {which} of a row against {count} references, by"
            f" {features.description}. FID of few pictures is biased upwards: only rows of equal"
            " counts compare. KID, of all pictures, is unbiased for independent ones; frames of one"
            f" sequence resemble each other, and few sequences raise it.{rank}"
            f" Precision and recall need {NEIGHBOURS + 1} pictures in each set."
        )
        if features.name != "inception":
            notes.append(
                "* A stand-in, not to be compared with published FID and KID: those are by"
                " Inception's features."
            )
    missing = [one.status for one in networks.records if one.network == "inception"]
    if missing and missing[0] != USED and not isinstance(features, NotAvailable):
        notes.append(f"Inception is not available: {missing[0]}.")
    return notes


def _number(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.4g}"
