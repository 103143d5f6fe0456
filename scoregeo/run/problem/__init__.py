"""The rows of a run and its methods: pairs interpolated, in a model's latent space too, or
continued past their second ends.
"""
