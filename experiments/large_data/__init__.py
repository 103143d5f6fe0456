"""Scores and graphs of references by the million: what they cost and how exact they are."""
