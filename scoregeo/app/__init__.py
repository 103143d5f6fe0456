"""`scoregeo app`: a page in the browser for morphs of two pictures or prompts (Gradio)."""
