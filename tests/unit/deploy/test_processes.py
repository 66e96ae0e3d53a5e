"""Processes by identity."""

import os

from deploy.local.processes import ProcessIdentity, identify, is_alive, stop_leftovers


class TestIdentity:
    def test_a_pid_given_to_somebody_else_is_not_alive(self) -> None:
        """What a stack left behind is never mistaken for a stranger with its old pid."""
        me = identify(os.getpid())
        assert me is not None

        assert is_alive(me)
        assert not is_alive(ProcessIdentity(me.pid, me.start_seconds - 60))

    def test_strangers_are_left_alone(self) -> None:
        """Stopping leftovers signals nobody who only has the pid."""
        me = identify(os.getpid())
        assert me is not None

        assert stop_leftovers([ProcessIdentity(me.pid, 1.0)], seconds_max=0.1) == []
