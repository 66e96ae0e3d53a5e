"""``python -m deploy.kafka HOST:PORT [COPIES]``: make the topics on a broker, each in COPIES (3)."""

import asyncio
import sys
from typing import Final

from deploy.kafka.topics import create_topics

_COPIES: Final = 3
_ARGUMENTS_WITH_COPIES: Final = 2


def main(arguments: list[str]) -> int:
    """Make the topics; return the exit code."""
    if not arguments or len(arguments) > _ARGUMENTS_WITH_COPIES:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    copies = int(arguments[1]) if len(arguments) == _ARGUMENTS_WITH_COPIES else _COPIES
    made = asyncio.run(create_topics(arguments[0], replication_factor_max=copies))
    sys.stdout.write("".join(f"made {name}\n" for name in made))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
