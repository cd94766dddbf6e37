"""Contract suites: what every command, model, data set and launcher must do, ours too.

A plugin's own tests subclass a suite and name the implementation; pytest collects the rest.
"""

import pytest

# So that an assert that fails in a suite shows its values, as in a test file.
_SUITES = ("commands", "datasets", "launchers", "models", "run_readers")
pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in _SUITES))
