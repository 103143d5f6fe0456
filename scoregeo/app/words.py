"""A morph's result in words, and text that a page shows as text."""

import html
import math
import re
from dataclasses import dataclass

from scoregeo.pipeline.output import GeodesicOutput
from scoregeo.solver.base import BUDGET, CONVERGED, FAILED, STALLED, UNRESOLVED

VERDICTS = {
    CONVERGED: "Converged: the gradient of the energy is small, and a finer quadrature agrees.",
    UNRESOLVED: (
        "Unresolved: on a finer quadrature the path costs more than the solver saw, and its frames"
        " may jump. More frames help."
    ),
    STALLED: "Stalled: no step lowers the energy, but its gradient is not small.",
    BUDGET: "Not converged: the iterations allowed are spent. The path is the best one found.",
    FAILED: "Failed: the model gave values that are not finite. The last good path is shown.",
}
# What the pipeline calls its arguments, and what the page does.
_NAMES = {
    "image_a": "picture A",
    "image_b": "picture B",
    "prompt_a": "prompt A",
    "prompt_b": "prompt B",
    "num_frames": "frames",
    "num_inference_steps": "steps",
    "score.timestep": "noise level",
    "timestep": "noise level",
    "lam": "weight of the score",
}
_CALLED = re.compile(r"\b(" + "|".join(map(re.escape, _NAMES)) + r")\b")
_ADVICE = re.compile(r"[;,] (take|raise) solver.*", re.DOTALL)
_WAY = re.compile(
    r"^image_a to image_b: \w+; "
)  # there is no other, and the verdict has its status


@dataclass(frozen=True)
class Words:
    """A `verdict` in one sentence, `facts` with their names, and `warnings`."""

    verdict: str
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def words_of(output: GeodesicOutput, title: str = "") -> Words:
    """What is said of a morph between two keyframes; `title`: what it goes from and to."""
    solution = output.solutions[0]
    history = solution.history
    facts = [("Morph", title)] if title else []
    facts.append(("Energy", f"{output.energy[0]:.4g}"))
    if history:
        facts.append(
            ("Energy of the start, the straight line", f"{float(history[0].energy[0]):.4g}")
        )
    facts += [
        ("Energy on a finer quadrature (certificate)", f"{output.certified_energy[0]:.4g}"),
        ("Length in the metric", f"{float(solution.length[0]):.4g}"),
        ("Noise level σ", f"{output.sigma:.4g}"),
        ("Score evaluations", f"{output.score_evaluations:,}"),
    ]
    given = [
        f"{name} {value:.1f} dB"
        for name, value in zip("AB", output.psnr, strict=True)
        if not math.isnan(value)
    ]
    if given:
        facts.append(("Ends after inversion and decoding (PSNR)", ", ".join(given)))
    return Words(
        VERDICTS[solution.status[0]],
        tuple(facts),
        tuple(on_page(warning) for warning in output.warnings),
    )


def on_page(message: str) -> str:
    """A message of the pipeline, its arguments called as on the page, without advice to take a
    setting that the page does not have.
    """
    message = _ADVICE.sub("", _WAY.sub("", message))
    message = _CALLED.sub(lambda found: _NAMES[found[0]], message)
    return message[:1].upper() + message[1:]


def escaped(text: str) -> str:
    """Text for HTML that is shown as it is; nor is it a template of Gradio's (`{{…}}`, `${…}`)."""
    safe = html.escape(text)
    for sign in "{}$`":
        safe = safe.replace(sign, f"&#{ord(sign)};")
    return safe


def bar(text: str, done: float) -> str:
    """HTML of a stage's text and how much is done, from 0 to 1."""
    percent = round(100 * done)
    return (
        f'<div class="stage"><p role="status">{escaped(text)}</p>'
        f'<progress max="100" value="{percent}" aria-label="Progress">{percent} %</progress></div>'
    )


def note(text: str, kind: str = "note") -> str:
    """HTML of one message; `kind`: note, verdict, warning or error."""
    role = "alert" if kind == "error" else "status"
    return f'<p class="{kind}" role="{role}">{escaped(text)}</p>'


def verdict(words: Words) -> str:
    """HTML of a result's verdict and warnings."""
    warned = "".join(note(warning, "warning") for warning in words.warnings)
    return note(words.verdict, "verdict") + warned


def table(words: Words) -> str:
    """HTML of a result's facts."""
    rows = "".join(
        f"<tr><th scope='row'>{escaped(name)}</th><td>{escaped(value)}</td></tr>"
        for name, value in words.facts
    )
    return f"<table>{rows}</table>"
