"""What runs where: the file by which the other commands find a stack."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from deploy.local.errors import StackError
from deploy.local.paths import StackPaths, write_private
from deploy.local.processes import ProcessIdentity

_VERSION: Final = 1

CLOCKS: Final = ("system", "simulated")
"""Where a stack's business time comes from: the machine, or an operator's RPC."""

EMBEDDED: Final = "embedded"
APACHE: Final = "apache"
"""Which broker a stack runs: the one in a wheel, which keeps nothing, or Apache Kafka (Java and Maven needed)."""


@dataclass(frozen=True, slots=True)
class PartState:
    """One part as it was last started."""

    name: str
    address: str
    process: ProcessIdentity | None


@dataclass(frozen=True, slots=True)
class StackState:
    """What a stack remembers from one start to the next."""

    clock: str
    ports: Mapping[str, int]
    pid: int
    """The process of the ``up`` that wrote this."""
    ready: bool
    """Whether every part has answered since that process began."""
    parts: tuple[PartState, ...] = ()
    broker: str = EMBEDDED

    def with_parts(self, parts: tuple[PartState, ...], *, ready: bool) -> "StackState":
        """Return the state with its parts as they are now."""
        return replace(self, parts=parts, ready=ready)


def save_state(paths: StackPaths, state: StackState) -> None:
    """Write the state; readers see the old or the new, whole."""
    write_private(paths.state, json.dumps({"version": _VERSION, **asdict(state)}, indent=2))


def load_state(paths: StackPaths) -> StackState | None:
    """Return the state of the folder's stack, or None when there never was one; raises StackError when unreadable."""
    try:
        content = json.loads(paths.state.read_text(encoding="utf-8"))
        return StackState(
            clock=content["clock"],
            ports=content["ports"],
            pid=content["pid"],
            ready=content["ready"],
            parts=tuple(_parse_part(part) for part in content["parts"]),
            broker=content.get("broker", EMBEDDED),
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        message = f"{paths.state} belongs to another user. Run the command as the user who started the stack."
        raise StackError(message) from error
    except (ValueError, KeyError, TypeError) as error:
        message = (
            f"{paths.state} cannot be understood ({error}). Delete it and start the stack again: only the choice of "
            "ports and the kind of clock are lost."
        )
        raise StackError(message) from error


def known_state(paths: StackPaths) -> StackState:
    """Return the state of the folder's stack; raises StackError when there never was one."""
    state = load_state(paths)
    if state is None:
        message = f"There is no stack in {paths.root}. Start one with `{paths.command('up')}`."
        raise StackError(message)
    return state


def _parse_part(content: Mapping[str, object]) -> PartState:
    process = content["process"]
    identity = None
    if isinstance(process, Mapping):
        identity = ProcessIdentity(int(process["pid"]), float(process["start_seconds"]))
    return PartState(str(content["name"]), str(content["address"]), identity)
