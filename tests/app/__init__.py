"""Tests of scoregeo.app."""
