"""How the page looks, beside Gradio's own style."""

STYLE = """
.stage progress { width: 100%; height: 0.6rem; border: 0; appearance: none;
  background: var(--border-color-primary); }
.stage progress::-webkit-progress-bar { background: var(--border-color-primary); }
.stage progress::-webkit-progress-value { background: var(--color-accent); }
.stage progress::-moz-progress-bar { background: var(--color-accent); }
.stage p, p.note, p.warning, p.error { margin: 0.25rem 0; overflow-wrap: anywhere; }
p.warning, p.error { padding: 0.4rem 0.7rem; border-left: 4px solid #d97706;
  background: color-mix(in srgb, #d97706 12%, transparent); }
p.error { border-color: #dc2626; background: color-mix(in srgb, #dc2626 12%, transparent); }
#facts table { width: 100%; border: 0; border-collapse: collapse; }
#facts tr { border: 0; }
#facts th, #facts td { padding: 0.25rem 0; text-align: left; vertical-align: top;
  font-weight: normal; overflow-wrap: anywhere; border: 0;
  border-bottom: 1px solid var(--border-color-primary); }
#facts td { padding-left: 1rem; font-variant-numeric: tabular-nums; }
#status p.verdict { font-weight: 600; }
.shown img { width: 100%; height: 100%; object-fit: contain; }
.pixels img { image-rendering: pixelated; }
#strip div, #strip button, #strip img { width: 100%; height: auto; }
#all-frames { display: none; }
"""
