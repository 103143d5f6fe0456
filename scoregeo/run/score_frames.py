"""`scoregeo score FOLDER`: frames that any tool made, scored in DiffMorpher's protocol."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from scoregeo import __version__
from scoregeo._utils.arguments import Parser, path_argument
from scoregeo._utils.errors import ConfigError, ScoregeoError, check_number
from scoregeo._utils.files import make_folder, write_json, write_text
from scoregeo._utils.streams import say
from scoregeo.run.score_table import csv_text, notes_of, printed

if TYPE_CHECKING:
    import torch

    from scoregeo.evaluation.folder_scores import Realism, Smoothness
    from scoregeo.evaluation.frame_folder import FrameSequence
    from scoregeo.evaluation.networks import Networks

_LEAST_SIDE = 64  # pixels: LPIPS resizes what is smaller
_GREATEST_SIDE = 2048  # at which the frames that are read at a time have 1.6 GB
_EPILOG = """PPL and PDV: sum and variance of LPIPS between neighbouring frames, each resized to
512 x 512, means over sequences. FID and KID compare all frames with the pictures of --reference, by
Inception's features where its weights can be had, else by EfficientNet-Lite0's, a stand-in."""


def main(arguments: Sequence[str]) -> None:
    """The command."""
    given = _parser().parse_args(arguments)
    try:
        say(score(given))
    except ScoregeoError as error:
        sys.exit(f"scoregeo: error: {error}")


def score(given: argparse.Namespace) -> str:
    """Score what the command line asks for, write `--output`, and give the text to print."""
    from scoregeo.evaluation.folder_scores import check_inner
    from scoregeo.evaluation.frame_folder import find_references, find_sequences

    check_number("--size", given.size, at_least=_LEAST_SIDE, at_most=_GREATEST_SIDE, integer=True)
    for flag, is_given in (("--inner", given.inner), ("--features", given.features != "auto")):
        if is_given and given.reference is None:
            raise ConfigError(f"{flag} goes with --reference, the pictures of FID and KID.")
    if given.output is not None:
        make_folder("--output", given.output)
    sequences = find_sequences(given.folder, given.reference)
    references = [] if given.reference is None else find_references(given.reference)
    if given.inner and references:
        check_inner(sequences, given.by, given.folder)
    networks = _networks(given)
    scored = _Scored(
        sequences=sequences,
        paths=_smoothness(networks, sequences, given.size),
        features=_features(networks, sequences, references, inner=given.inner),
    )
    rows = _rows(scored, given.by, given.folder)
    shape = None if scored.features is None else scored.features[1].shape
    notes = notes_of(networks, sequences, shape, given.size, inner=given.inner)
    if given.output is None:
        return printed(rows, notes, networks)
    content = {
        "command": "scoregeo score",
        "version": __version__,
        "folder": str(given.folder),
        "reference": None if given.reference is None else str(given.reference),
        "size": given.size,
        "networks": [asdict(record) for record in networks.records],
        "notes": notes,
        "rows": rows,
        "sequences": _sequences(scored),
    }
    write_json(given.output / "score.json", content)
    write_text(given.output / "score.csv", csv_text(rows))
    files = "\n".join(str(given.output / name) for name in ("score.json", "score.csv"))
    return f"{printed(rows, notes, networks)}\n{files}"


@dataclass(frozen=True)
class _Scored:
    """`paths`: what LPIPS says of each sequence, None without it; `features`: of each sequence's
    frames and of the reference, None without a reference or a network.
    """

    sequences: "Sequence[FrameSequence]"
    paths: "Sequence[Smoothness] | None"
    features: "tuple[Sequence[torch.Tensor], torch.Tensor] | None"


def _parser() -> Parser:
    parser = Parser(
        prog="scoregeo score",
        description="Score a folder of frames, or a folder of folders of frames, of any tool.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("folder", type=path_argument, help="pictures (PNG, JPEG, ...), in their numbers' order")
    add("--reference", type=path_argument, help="pictures that FID and KID compare the frames with")
    add("--output", type=path_argument, help="a folder for score.json and score.csv")
    add(
        "--by",
        choices=("sequence", "first", "last"),
        default="sequence",
        help="a row for each sequence, or each first (METHOD/PAIR) or last (PAIR/METHOD) folder",
    )
    add("--inner", action="store_true", help="leave the two ends of a sequence out of FID and KID")
    add("--lpips", choices=("alex", "vgg", "squeeze"), default="alex", help="backbone (alex)")
    add(
        "--features",
        choices=("auto", "inception", "efficientnet_lite0"),
        default="auto",
        help="of FID and KID (auto: Inception's where they can be had, else EfficientNet-Lite0's)",
    )
    add("--size", type=int, default=512, help="pixels a side that LPIPS sees (512)")
    add("--no-download", action="store_true", help="fetch no weights")
    add("--device", default="cpu", help="cpu, cuda, mps or auto (cpu)")
    return parser


def _networks(given: argparse.Namespace) -> "Networks":
    """LPIPS and, with a reference, the first feature network that can be had.

    Raises ConfigError, with the reasons, where nothing can be measured.
    """
    from scoregeo._utils.device import device_of
    from scoregeo.evaluation.networks import load_networks
    from scoregeo.evaluation.settings import EvaluationSettings
    from scoregeo.evaluation.statistics import NotAvailable

    device = device_of(given.device, "--device")
    choices: list[str | None] = [None] if given.reference is None else [given.features]
    if choices == ["auto"]:
        choices = ["inception", "efficientnet_lite0"]
    download = not given.no_download
    lpips = load_networks(
        EvaluationSettings(network=None, lpips=given.lpips, download=download), device
    )
    records = lpips.records
    for choice in choices:
        features = load_networks(
            EvaluationSettings(network=choice, lpips=None, download=download), device
        )
        records += features.records
        if not isinstance(features.features, NotAvailable):
            break
    found = (lpips.lpips, features.features)
    reasons = [one.reason for one in found if isinstance(one, NotAvailable)]
    if len(reasons) == (1 if given.reference is None else 2):
        raise ConfigError(f"Nothing can be measured: {'. '.join(reasons)}.")
    return replace(features, lpips=lpips.lpips, records=records)


def _smoothness(
    networks: "Networks", sequences: "Sequence[FrameSequence]", side: int
) -> "list[Smoothness] | None":
    from scoregeo.evaluation.folder_scores import smoothness
    from scoregeo.evaluation.lpips import Lpips

    measure = networks.lpips
    if not isinstance(measure, Lpips):
        return None
    frames = sum(len(one.frames) for one in sequences)
    found = []
    with tqdm(total=frames, desc="LPIPS", unit="frame", leave=False, disable=None) as bar:
        for sequence in sequences:
            found.append(smoothness(measure, sequence, side))
            bar.update(len(sequence.frames))
    return found


def _features(
    networks: "Networks",
    sequences: "Sequence[FrameSequence]",
    references: Sequence[Path],
    *,
    inner: bool,
) -> "tuple[list[torch.Tensor], torch.Tensor] | None":
    from scoregeo.evaluation.feature_network import FeatureNetwork
    from scoregeo.evaluation.folder_scores import picture_features

    network = networks.features
    if not isinstance(network, FeatureNetwork):
        return None
    compared = [one.frames[1:-1] if inner else one.frames for one in sequences]
    total = len(references) + sum(map(len, compared))
    with tqdm(total=total, desc="features", unit="picture", leave=False, disable=None) as bar:
        own = [picture_features(network, paths, bar.update) for paths in compared]
        return own, picture_features(network, references, bar.update)


def _rows(scored: _Scored, by: str, folder: Path) -> list[dict[str, Any]]:
    """The table's rows by name, and one of all sequences where there are several."""
    from scoregeo.evaluation.folder_scores import sequences_of

    found = sequences_of(scored.sequences, by, folder)
    rows = [{"name": name, **_row(scored, which)} for name, which in found.items()]
    if len(rows) > 1:
        whole = "all" if all(row["name"] != "all" for row in rows) else "(all)"
        rows.append({"name": whole, **_row(scored, range(len(scored.sequences)))})
    return rows


def _row(scored: _Scored, which: Sequence[int]) -> dict[str, Any]:
    """Means over the sequences `which`; FID and the rest of all their frames."""
    import torch

    from scoregeo.evaluation.folder_scores import realism

    found: dict[str, Any] = {
        "sequences": len(which),
        "frames": sum(len(scored.sequences[i].frames) for i in which),
    }
    if scored.paths is not None:
        for name in ("ppl", "pdv", "lpips_mean", "lpips_deviation", "lpips_greatest"):
            values = [getattr(scored.paths[i], name.removeprefix("lpips_")) for i in which]
            found[name] = sum(values) / len(values)
    if scored.features is not None:
        own, reference = scored.features
        found |= _shown(realism(torch.cat([own[i] for i in which]), reference))
    return found


def _shown(found: "Realism") -> dict[str, Any]:
    values = asdict(found)
    values["compared"] = values.pop("frames")  # without the ends, with --inner
    return values


def _sequences(scored: _Scored) -> list[dict[str, Any]]:
    """Each sequence's frames, in the order they were compared, and its distances."""
    return [
        {
            "name": sequence.name,
            "frames": [path.name for path in sequence.frames],
            "sizes": sorted(f"{width} x {height}" for width, height in sequence.sizes),
            "steps": None if scored.paths is None else scored.paths[index].steps.tolist(),
        }
        for index, sequence in enumerate(scored.sequences)
    ]
