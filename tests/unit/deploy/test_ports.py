"""The choice of ports."""

import os
import socket
import subprocess
import sys

from deploy.local.ports import LOOPBACK, USUAL_PORTS, any_free_port, hold_ports, is_free


class TestHoldPorts:
    def test_keeps_the_remembered_one_where_it_is_free(self) -> None:
        """Addresses survive a restart."""
        remembered = 10_000 + os.getpid() % 9_000  # Where no part and no test looks for one.

        with hold_ports({"ledger": remembered}) as ports:
            assert ports["ledger"] == remembered

    def test_gives_up_one_that_is_taken(self) -> None:
        """A stack starts also where somebody else listens on its port by now."""
        with socket.socket() as other:
            other.bind((LOOPBACK, 0))
            other.listen(1)
            taken = other.getsockname()[1]

            with hold_ports({"ledger": taken}) as ports:
                assert not is_free(taken)
                assert ports["ledger"] != taken

    def test_gives_every_part_one_of_its_own(self) -> None:
        """No two parts share a port, even when the remembered ones say so."""
        with hold_ports(dict.fromkeys(USUAL_PORTS, 50999)) as ports:
            assert len(set(ports.values())) == len(USUAL_PORTS)

    def test_keeps_them_from_another_stack_that_starts_now(self) -> None:
        """Two stacks started at once never choose the same port, although nobody listens yet."""
        with hold_ports({}) as ports, hold_ports(ports) as others:
            assert not set(ports.values()) & set(others.values())


class TestAnyFreePort:
    def test_is_none_that_an_outgoing_connection_may_take(self) -> None:
        """Between its choice and its use no connection of anybody gets it (Linux gives those 32,768 and up)."""
        assert all(any_free_port() < 32_768 for _ in range(50))

    def test_is_given_to_nobody_else_until_it_is_taken(self) -> None:
        """Neither another process nor a stack gets it, although nobody listens there yet."""
        with hold_ports({"ledger": any_free_port()}) as ports:
            given = [any_free_port() for _ in range(20)]
            held = "from deploy.local.ports import hold_ports\nwith hold_ports({'ledger': %d}) as ports: print(ports)"

            other = subprocess.run(
                [sys.executable, "-c", held % given[0]], capture_output=True, text=True, check=True
            )

        assert len(set(given)) == len(given)
        assert not set(given) & set(ports.values())
        assert str(given[0]) not in other.stdout
