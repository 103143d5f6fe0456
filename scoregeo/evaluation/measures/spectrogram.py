"""Paths of spectrograms as morphs: one series of partials, features between those of the ends,
even steps, and the distance to the truth in decibels.
"""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import HIGHER, LOWER, Column, measure

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import Context, PathBatch, Values


def _note(context: "Context") -> str | None:
    if context.sound is None or context.sound.spectrogram is None:
        return None
    return (
        "Pitch: the fundamental of a spectrogram's strongest harmonic series, between"
        f" {context.sound.low:.0f} and {context.sound.high:.0f} Hz. Share of one series: of a"
        " spectrogram's power, within 75 cents of a multiple of its pitch; the least of inner ones"
        " (correspondence). Centroid: the bands' mean weighted by power; its mean distance from a"
        " straight course between those of the ends (intermediateness). Steps: the greatest change"
        " of pitch or centroid from one point to the next (smoothness). After Caetano and Osaka"
        " 2012, Caetano and Rodet 2013."
    )


@measure(
    {
        "pitch_step": Column("greatest step of pitch (cents)", LOWER),
        "harmonic_share_least": Column("least share of one series", HIGHER),
        "centroid_departure": Column("centroid's departure (cents)", LOWER),
        "centroid_step": Column("greatest step of the centroid (cents)", LOWER),
    },
    needs=("frames", "sound"),
    note=_note,
)
def morph(batch: "PathBatch") -> "Values":
    """Correspondence, intermediateness and smoothness of a morph."""
    from scoregeo.evaluation import spectrogram

    assert batch.frames is not None and batch.sound is not None
    sound, layout = batch.sound, batch.sound.spectrogram
    if layout is None:
        return {}
    cents = 1200 * spectrogram.pitch(batch.frames, layout, sound.low, sound.high).log2()
    bright = spectrogram.centroid(batch.frames, layout)
    share = spectrogram.harmonic_share(batch.frames, layout, sound.low, sound.high)
    return {
        "pitch_step": cents.diff(dim=1).abs().amax(1),
        "harmonic_share_least": share[:, 1:-1].amin(1),
        "centroid_departure": spectrogram.departure(bright),
        "centroid_step": bright.diff(dim=1).abs().amax(1),
    }


@measure(
    {"spectral_distance": Column("mean spectral distance to truth (dB)", LOWER)},
    needs=("frames", "sound", "truth_known"),
)
def spectral_distance(batch: "PathBatch") -> "Values":
    """Log-spectral distance of inner points to the true ones."""
    from scoregeo.evaluation import spectrogram

    assert batch.frames is not None and batch.sound is not None
    layout = batch.sound.spectrogram
    if layout is None or batch.is_truth or batch.truth is None:
        return {}
    inner = slice(1, None if batch.end_free else -1)
    gap = spectrogram.spectral_distance(batch.frames[:, inner], batch.truth[:, inner], layout)
    return {"spectral_distance": gap.mean(1)}
