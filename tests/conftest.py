"""What every test gets: a marker by the folder that it lives in, and no stopwatch."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
# The first folder below tests/ says what a test may touch; the rest follows its parts.
MARKERS = {
    "unit": pytest.mark.unit,
    "properties": pytest.mark.unit,
    "contract": pytest.mark.unit,
    "integration": pytest.mark.integration,
    "migration": pytest.mark.integration,
    "acceptance": pytest.mark.acceptance,
}

# Nothing here asserts speed, so a busy machine fails no property: neither by a deadline nor because its examples are
# made too slowly. (Where CI is set, as ``.ci/run`` does, Hypothesis takes its own "ci" profile: the same, and the same
# examples in every run.)
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if "CI" not in os.environ:
    settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder, so that ``-m unit`` needs no decorators."""
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        marker = MARKERS.get(item.path.relative_to(TESTS).parts[0])
        if marker is not None:
            item.add_marker(marker)
