"""The browser of the report's tests."""

from tests.report.test_browser import chromium as chromium
