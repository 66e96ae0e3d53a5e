"""``python -m deploy.kafka.fetch``: fetch Apache Kafka's jars, or say in one line why that is not possible."""

import sys

from deploy.kafka.apache import KafkaUnavailable, fetch_jars


def main() -> int:
    """Fetch; return the exit code."""
    try:
        jars = fetch_jars()
    except KafkaUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Apache Kafka: {jars}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
