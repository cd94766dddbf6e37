"""Contract suites: tests that every plugin of a kind must pass, the built-in ones too.

A plugin's own tests subclass a suite and name the implementation; pytest collects the tests.
"""

import pytest

# A failed assert in a suite shows its values, as in a test file.
_SUITES = ("commands", "datasets", "launchers", "models", "run_readers", "trackers")
pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in _SUITES))
