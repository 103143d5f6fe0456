"""Code that answers one question each: a folder is run as `python -m experiments.FOLDER`, from the
repository's root.
"""
