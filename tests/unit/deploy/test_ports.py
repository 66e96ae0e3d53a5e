"""The choice of ports."""

import socket

from deploy.local.ports import LOOPBACK, USUAL_PORTS, choose_ports, is_free


class TestChoosePorts:
    def test_keeps_the_remembered_one_where_it_is_free(self) -> None:
        """Addresses survive a restart."""
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            free = probe.getsockname()[1]

        assert choose_ports({"ledger": free})["ledger"] == free

    def test_gives_up_one_that_is_taken(self) -> None:
        """A stack starts also where somebody else listens on its port by now."""
        with socket.socket() as other:
            other.bind((LOOPBACK, 0))
            other.listen(1)
            taken = other.getsockname()[1]

            chosen = choose_ports({"ledger": taken})

        assert chosen["ledger"] != taken
        assert not is_free(taken) or chosen["ledger"] != taken

    def test_gives_every_part_one_of_its_own(self) -> None:
        """No two parts share a port, even when the remembered ones say so."""
        chosen = choose_ports(dict.fromkeys(USUAL_PORTS, 50999))

        assert len(set(chosen.values())) == len(USUAL_PORTS)
