"""Where the page takes a picture."""

from pathlib import Path
from typing import Any

import gradio as gr


def picture_box(label: str) -> gr.Image:
    """Gradio's box for a picture. Its value is the path of an upload, which Gradio has neither
    opened, as it would without our bounds, nor fetched from another server.
    """
    shown: Any = gr.Image(
        label=label,
        type="filepath",
        format="png",
        sources=["upload", "clipboard"],
        buttons=[],
        height=220,
        min_width=140,
        elem_classes=["shown"],
    )
    keep = shown.async_move_resource_to_block_cache

    async def keep_own(place: str | Path | None) -> str | None:
        if str(place).lower().startswith(("http:", "https:")):
            raise gr.Error("Pictures of other servers are not fetched.")
        kept: str | None = await keep(place)
        return kept

    shown.async_move_resource_to_block_cache = keep_own
    shown.preprocess = _path
    return shown


def _path(payload: Any) -> str | None:
    """Where the upload lies; Gradio has checked that it is among its own."""
    return None if payload is None else str(payload.path)
