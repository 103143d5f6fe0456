"""What every other part may use: errors, checks, seeds and whole-or-nothing file writes."""
