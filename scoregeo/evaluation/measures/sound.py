"""Paths of sound: pitch or delay against the truth, purity, level."""

from typing import TYPE_CHECKING

from scoregeo.evaluation.registry import HIGHER, LOWER, Column, measure

if TYPE_CHECKING:
    from scoregeo.evaluation.path_batch import Context, PathBatch, Values


def _of_tones(context: "Context") -> str | None:
    if context.sound is None or context.sound.window is None:
        return None  # notes say what they are measured by (`spectrogram`)
    return (
        f"Pitch: by autocorrelation, of {context.frames_compared}, between"
        f" {context.sound.low:g} and {context.sound.high:g} Hz; in cents from that of the true"
        " frame, mean and greatest. Share of one tone: the largest share of a frame's energy in one"
        " windowed tone; the least and the mean of these frames. The mean of two tones far apart"
        " has 1/2."
    )


@measure(
    {
        "pitch_error": Column("mean error of pitch (cents)", LOWER),
        "pitch_error_max": Column("greatest error of pitch (cents)", LOWER),
        "pitch_error_end": Column("error of the last pitch (cents)", LOWER),
        "tone_share_least": Column("least share of one tone", HIGHER),
        "tone_share_mean": Column("mean share of one tone", HIGHER),
    },
    needs=("frames", "sound"),
    note=_of_tones,
)
def tone(batch: "PathBatch") -> "Values":
    """Pitch along the path, and how much of each frame is one tone."""
    from scoregeo.evaluation.sound import heard_pitch, tone_share

    assert batch.frames is not None and batch.sound is not None
    sound = batch.sound
    found: Values = {}
    inner = slice(1, None if batch.end_free else -1)
    if sound.window is not None:
        settings = (sound.rate, sound.window, sound.low, sound.high)
        share = tone_share(batch.frames[:, inner], *settings)
        found = {"tone_share_least": share.amin(1), "tone_share_mean": share.mean(1)}
    if batch.is_truth or batch.truth is None:
        return found
    own, true = (heard_pitch(path[:, inner], sound) for path in (batch.frames, batch.truth))
    if own is None or true is None:
        return found
    cents = 1200 * (own / true).log2().abs()
    found |= {"pitch_error": cents.mean(1), "pitch_error_max": cents.amax(1)}
    if batch.end_free:
        found["pitch_error_end"] = cents[:, -1]
    return found


@measure(
    {
        "delay_error": Column("mean error of delay (ms)", LOWER),
        "delay_error_max": Column("greatest error of delay (ms)", LOWER),
    },
    needs=("frames", "sound", "truth_known"),
    note=lambda context: (
        None
        if context.sound is None or context.sound.has_pitch
        else f"Delay: by circular cross-correlation of {context.frames_compared} with the true"
        " frame; mean and greatest size."
    ),
)
def delay(batch: "PathBatch") -> "Values":
    """Delay along the path, of frames without a pitch."""
    from scoregeo.evaluation import sound

    assert batch.frames is not None and batch.sound is not None
    if batch.sound.has_pitch or batch.is_truth or batch.truth is None:
        return {}
    inner = slice(1, None if batch.end_free else -1)
    found = sound.delay(batch.frames[:, inner], batch.truth[:, inner], batch.sound.rate)
    size = 1000 * found.abs()
    return {"delay_error": size.mean(1), "delay_error_max": size.amax(1)}


@measure(
    {"amplitude_dip": Column("greatest fall of level (dB)", LOWER)},
    needs=("frames", "sound"),
    note="Level: root mean square of a frame; its greatest fall below the quieter end.",
)
def amplitude(batch: "PathBatch") -> "Values":
    """How much quieter the path becomes between its ends."""
    from scoregeo.evaluation.sound import level_dip

    assert batch.frames is not None and batch.sound is not None
    return {"amplitude_dip": level_dip(batch.frames, batch.sound.spectrogram)}
