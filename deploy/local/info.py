"""A stack as its clients see it: addresses, databases, tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.identity import mint_tokens
from deploy.local.paths import StackPaths
from deploy.local.ports import LOOPBACK
from deploy.local.processes import is_alive
from deploy.local.provider import provider_url
from deploy.local.secrets import (
    SERVICES,
    Passwords,
    owner_role,
    read_passwords,
    read_provider_secrets,
)
from deploy.local.state import StackState, known_state


@dataclass(frozen=True, slots=True)
class StackInfo:
    """Everything that a client of the stack needs."""

    root: Path
    clock: str
    """``system`` or ``simulated``."""
    addresses: Mapping[str, str]
    """``host:port`` of each service's gRPC server, by service."""
    kafka: str
    """``host:port`` of the broker."""
    database_urls: Mapping[str, str] = field(repr=False)
    """Each service's database as its owner."""
    sandbox_url: str
    """Address of the sandbox provider's API."""
    sandbox_key: str = field(repr=False)
    """Its secret key."""
    sandbox_publishable_key: str = field(repr=False)
    """Its key for phones."""
    tokens: Mapping[str, str] = field(repr=False)
    """A bearer token for each kind of caller: till, shopper, finance, service, operator."""

    def exports(self) -> dict[str, str]:
        """Return the environment variables of ``cagnotte env``."""
        # The folder first: by it the commands that follow in the same shell find this stack.
        variables = {"CAGNOTTE_DIR": str(self.root)}
        variables |= {
            f"CAGNOTTE_{name.upper()}_DATABASE_URL": url for name, url in self.database_urls.items()
        }
        variables |= {
            f"CAGNOTTE_{name.upper()}_ADDRESS": address for name, address in self.addresses.items()
        }
        variables["CAGNOTTE_KAFKA"] = self.kafka
        variables["CAGNOTTE_SANDBOX_URL"] = self.sandbox_url
        variables["CAGNOTTE_SANDBOX_KEY"] = self.sandbox_key
        variables |= {
            f"CAGNOTTE_TOKEN_{kind.upper()}": token for kind, token in self.tokens.items()
        }
        return variables


def stack_info(paths: StackPaths) -> StackInfo:
    """Return what the clients of the folder's stack need; raises StackError when there never was one.

    The tokens are minted anew, so that they never lie in a file.
    """
    state, passwords = known_state(paths), read_passwords(paths)
    provider = read_provider_secrets(paths)
    return StackInfo(
        root=paths.root,
        clock=state.clock,
        addresses={service: service_address(state, service) for service in SERVICES},
        kafka=f"{LOOPBACK}:{state.ports['kafka']}",
        database_urls={
            service: database_url(state, passwords, service=service, role=owner_role(service))
            for service in SERVICES
        },
        sandbox_url=provider_url(state),
        sandbox_key=provider.key,
        sandbox_publishable_key=provider.publishable_key,
        tokens=mint_tokens(paths),
    )


def running_stack_info(paths: StackPaths) -> StackInfo:
    """Return what the clients of the folder's stack need; raises StackError when nothing of it runs."""
    parts = known_state(paths).parts
    if not any(part.process is not None and is_alive(part.process) for part in parts):
        message = f"The stack in {paths.root} is stopped. `{paths.command('up')}` starts it."
        raise StackError(message)
    return stack_info(paths)


def service_address(state: StackState, service: str) -> str:
    """Return ``host:port`` of a service's gRPC server."""
    return f"{LOOPBACK}:{state.ports[service]}"


def database_url(state: StackState, passwords: Passwords, *, service: str, role: str) -> str:
    """Return the URL of a service's database as one of its roles (passwords are URL-safe by their making)."""
    return f"postgresql://{role}:{passwords.by_role[role]}@{LOOPBACK}:{state.ports['postgres']}/{service}"
