"""Which failures are the world's and pass, and which are ours."""

import asyncpg
import pytest

from services.common.kernel.errors import Unavailable
from services.common.runtime.database import is_infrastructure_failure


class TestInfrastructureFailure:
    @pytest.mark.parametrize(
        "error",
        [
            ConnectionResetError(),
            TimeoutError(),
            Unavailable("Nobody answers."),
            asyncpg.InterfaceError("connection is closed"),
            asyncpg.InternalClientError(
                "cannot switch to state 12; another operation (2) is in progress"
            ),
            asyncpg.ConnectionDoesNotExistError(),
            asyncpg.AdminShutdownError(),
            asyncpg.CrashShutdownError(),
            asyncpg.CannotConnectNowError(),
            asyncpg.DeadlockDetectedError(),
            asyncpg.DiskFullError(),
            asyncpg.PostgresIOError(),
            asyncpg.PostgresError.new({"C": "53100", "M": "could not extend file: No space left"}),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_of_the_world_is_told_as_such(self, error: BaseException) -> None:
        """Whoever meets it tries again by the same id."""
        assert is_infrastructure_failure(error)

    @pytest.mark.parametrize(
        "error",
        [
            KeyError("x"),
            AssertionError(),
            asyncpg.UniqueViolationError(),
            asyncpg.UndefinedTableError(),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_of_ours_is_none(self, error: BaseException) -> None:
        """Trying again would fail again: it is a fault to be mended."""
        assert not is_infrastructure_failure(error)
