"""``cagnotte``: where the command begins and ends, so that Ctrl-C finds it ready at any moment.

What the commands need takes a moment to import. Until it is there, nothing has begun that would have to be put away.
"""

import os

from deploy.local.interruption import die_of_ctrl_c, ended_at_once


def main() -> None:
    """Run the command that the arguments name."""
    # gRPC reads this when it is imported. Each process that a command starts executes another program at once, so
    # there is nothing that gRPC would have to do for it, and nothing to say about that it cannot.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    with ended_at_once():
        from services.cli_commands import run_command
    try:
        run_command()
    finally:
        die_of_ctrl_c()


if __name__ == "__main__":
    main()
