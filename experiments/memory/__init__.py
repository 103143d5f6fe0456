"""What a batch costs in memory at Stable Diffusion 1.5's size."""
