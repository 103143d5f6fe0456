"""The rows of a run and its methods: pairs joined, continued past their second ends, or joined in a
model's latent space.
"""
