"""Contract suites: what every command, model, data set and launcher must do, ours too.

A plugin's own tests subclass a suite and name the implementation; pytest collects the rest.
"""

import pytest

# So that an assert that fails in a suite shows its values, as in a test file.
pytest.register_assert_rewrite(__name__)
