"""The topics as data."""

from deploy.kafka.topics import read_topics


class TestTopics:
    def test_are_those_that_the_services_speak_over(self) -> None:
        """Every topic of the design is there, each with its dead-letter topic."""
        names = [topic.name for topic in read_topics()]

        assert names == [
            "cagnotte.points.v1.loyalty",
            "cagnotte.wallet.v1.checkouts",
            "cagnotte.ledger.v1.journal",
            "cagnotte.points.v1.loyalty.dead",
            "cagnotte.wallet.v1.checkouts.dead",
            "cagnotte.ledger.v1.journal.dead",
        ]

    def test_dead_letters_are_bounded(self) -> None:
        """A flood of unreadable events cannot fill the broker's disk."""
        dead = [topic for topic in read_topics() if topic.name.endswith(".dead")]

        assert all(int(topic.config["retention.bytes"]) > 0 for topic in dead)

    def test_are_replicated_on_a_real_cluster(self) -> None:
        """Losing one broker of three loses nothing and stops nothing."""
        for topic in read_topics():
            assert topic.replication_factor == 3
            assert topic.config["min.insync.replicas"] == "2"
