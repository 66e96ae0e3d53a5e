"""The cagnotte command as its users meet it: processes, exit codes, what is on the screen."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.call import known_methods
from deploy.local.paths import stack_paths
from deploy.local.ports import USUAL_PORTS
from deploy.local.state import StackState, save_state

COMMAND_SECONDS_MAX = 120
PARTS = ["postgres", "kafka", "provider", "ledger", "points", "wallet"]

pytestmark = pytest.mark.slow


class Cagnotte:
    """The command on one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments, f"--dir={self.folder}"],
            env={name: value for name, value in os.environ.items() if name != "CAGNOTTE_DIR"},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )

    def parts(self) -> list[dict[str, Any]]:
        """Return what `status --json` lists."""
        parts: list[dict[str, Any]] = json.loads(self("status", "--json").stdout)["parts"]
        return parts

    def call(self, method: str, *arguments: str) -> dict[str, Any]:
        """Return the answer of a call."""
        done = self("call", method, *arguments)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture(scope="module")
def cagnotte(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cagnotte]:
    """Run one stack for the whole module, on a simulated clock.

    Neither on the usual ports nor on any that are given when those are taken: other tests' stacks and services have
    them whenever they are free, between this one's starts too.
    """
    command = Cagnotte(tmp_path_factory.mktemp("command") / "stack")
    paths = stack_paths(command.folder)
    paths.make()
    ports = dict(zip(USUAL_PORTS, range(19_900, 20_000), strict=False))
    save_state(paths, StackState(clock="simulated", ports=ports, pid=0, ready=False, parts=()))
    started = command("up", "--detach", "--clock=simulated")
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield command
    finally:
        command("down")


class TestUp:
    def test_of_a_running_stack_is_refused(self, cagnotte: Cagnotte) -> None:
        """A second `up` on the folder fails, says so, and leaves the first one alone."""
        second = cagnotte("up")

        assert second.returncode == 2
        assert "already runs" in second.stderr
        assert all(part["healthy"] for part in cagnotte.parts())

    def test_again_finds_the_data(self, cagnotte: Cagnotte) -> None:
        """A restart keeps the clock, the journals and the addresses."""
        cagnotte.call("points.SetTime", '{"business_time": "2017-01-01T12:00:00Z"}')
        before = cagnotte.call("points.GetLoyaltyTotals", "--as=finance")
        addresses = {part["name"]: part["address"] for part in cagnotte.parts()}

        assert cagnotte("down").returncode == 0
        assert cagnotte("up", "--detach").returncode == 0

        assert cagnotte.call("points.GetLoyaltyTotals", "--as=finance") == before
        assert cagnotte.call("points.GetTime")["business_time"] == "2017-01-01T12:00:00Z"
        assert {part["name"]: part["address"] for part in cagnotte.parts()} == addresses

    def test_after_a_kill_takes_over_what_was_left_behind(self, cagnotte: Cagnotte) -> None:
        """A killed `up` leaves its parts running and `status` says so; the next one stops them and starts its own."""
        before = {part["pid"] for part in cagnotte.parts()}
        os.kill(int((cagnotte.folder / "lock").read_text()), signal.SIGKILL)

        assert cagnotte("status").returncode == 1
        assert cagnotte("up", "--detach").returncode == 0

        after = cagnotte.parts()
        assert all(part["healthy"] for part in after)
        assert not before & {part["pid"] for part in after}

    def test_with_another_clock_is_refused(self, cagnotte: Cagnotte) -> None:
        """Data of one kind of time never meets the other kind."""
        assert cagnotte("down").returncode == 0
        try:
            other = cagnotte("up", "--clock=system")
        finally:
            assert cagnotte("up", "--detach").returncode == 0

        assert other.returncode == 2
        assert "keeps its clock" in other.stderr


class TestDown:
    def test_leaves_a_stack_of_which_every_command_says_that_it_is_stopped(
        self, cagnotte: Cagnotte
    ) -> None:
        """Nothing waits for what does not run, and the sentence is a command to copy; ``env`` needs no process."""
        assert cagnotte("down").returncode == 0
        try:
            answers = [
                cagnotte(*command)
                for command in (["call", "points.GetTime"], ["verify"], ["dead"], ["replay"])
            ]
            env = cagnotte("env")
        finally:
            assert cagnotte("up", "--detach").returncode == 0

        sentence = f"`cagnotte up --dir {cagnotte.folder}` starts it"
        assert [sentence in done.stderr for done in answers] == [True] * 4
        assert {done.returncode for done in answers} == {2}
        assert env.returncode == 0


class TestStatus:
    def test_lists_every_part_with_its_process_and_address(self, cagnotte: Cagnotte) -> None:
        """The parts are there by name, alive and healthy, and each has an address."""
        parts = cagnotte.parts()

        assert [part["name"] for part in parts] == PARTS
        assert all(set(part) == {"name", "pid", "address", "healthy"} for part in parts)
        assert all(part["healthy"] and part["pid"] and part["address"] for part in parts)

    def test_of_no_stack_says_how_to_start_one(self, tmp_path: Path) -> None:
        """An empty folder is no failure without a next step."""
        nothing = Cagnotte(tmp_path)("status")

        assert nothing.returncode == 2
        assert "cagnotte up" in nothing.stderr


class TestEnv:
    def test_exports_addresses_databases_and_tokens(self, cagnotte: Cagnotte) -> None:
        """A shell that evaluates the output has exactly the promised variables."""
        lines = cagnotte("env").stdout.splitlines()

        assert all(line.startswith("export ") and shlex.split(line) for line in lines)
        names = {line.removeprefix("export ").partition("=")[0] for line in lines}
        services = ("LEDGER", "POINTS", "WALLET")
        assert names == {
            *(f"CAGNOTTE_{service}_DATABASE_URL" for service in services),
            *(f"CAGNOTTE_{service}_ADDRESS" for service in services),
            *("CAGNOTTE_DIR", "CAGNOTTE_KAFKA", "CAGNOTTE_SANDBOX_URL", "CAGNOTTE_SANDBOX_KEY"),
            *(
                f"CAGNOTTE_TOKEN_{kind}"
                for kind in ("TILL", "SHOPPER", "FINANCE", "SERVICE", "OPERATOR")
            ),
        }

    def test_lets_the_commands_that_follow_find_the_stack(
        self, cagnotte: Cagnotte, tmp_path: Path
    ) -> None:
        """In a shell that evaluated the output no command needs to be told the folder again."""
        programme = f"{shlex.quote(sys.executable)} -m services.cli"
        script = (
            f'eval "$({programme} env --dir {shlex.quote(str(cagnotte.folder))})"\n'
            f"cd {shlex.quote(str(tmp_path))}\n{programme} call points.GetTime"
        )

        done = subprocess.run(
            ["bash", "-euc", script],
            env={name: value for name, value in os.environ.items() if name != "CAGNOTTE_DIR"},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        assert "business_time" in done.stdout


class TestSecrets:
    def test_are_in_no_log(self, cagnotte: Cagnotte) -> None:
        """Neither a password, a key nor a token is written anywhere but where it belongs."""
        secrets = json.loads((cagnotte.folder / "secrets.json").read_text()).values()
        token = shlex.split(cagnotte("env").stdout)[-1].partition("=")[2]

        for log in (cagnotte.folder / "logs").iterdir():
            content = log.read_text(errors="replace")
            assert not [secret for secret in (*secrets, token) if secret in content], log.name


class TestCall:
    def test_shows_a_refusal_as_the_service_said_it(self, cagnotte: Cagnotte) -> None:
        """A till may not see finance's totals, and reads why."""
        refused = cagnotte("call", "points.GetLoyaltyTotals", "--as=till")

        assert refused.returncode == 2
        assert "CALLER_NOT_ALLOWED" in refused.stderr

    def test_knows_every_method_of_the_protos(self) -> None:
        """Each RPC of each service can be called, those of a service's second file too."""
        protos = Path("protos/cagnotte")
        rpcs = {
            f"{proto.parent.parent.name}.{name}"
            for proto in protos.glob("*/v1/*_service.proto")
            if proto.parent.parent.name != "common"
            for name in re.findall(r"^  rpc (\w+)\(", proto.read_text(), re.MULTILINE)
        }

        assert rpcs
        assert rpcs <= set(known_methods())

    def test_suggests_the_method_that_was_meant(self, cagnotte: Cagnotte) -> None:
        """A slip of the finger is answered with the nearest name."""
        refused = cagnotte("call", "wallet.PayCheckou")

        assert refused.returncode == 2
        assert "Did you mean wallet.PayCheckout?" in refused.stderr

    def test_lists_the_methods_when_none_is_near(self, cagnotte: Cagnotte) -> None:
        """Each stands on a line of its own, and nothing is suggested for its service alone."""
        refused = cagnotte("call", "wallet.Nope")

        assert refused.returncode == 2
        assert "Did you mean" not in refused.stderr
        assert {f"  {name}" for name in known_methods()} <= set(refused.stderr.splitlines())

    @pytest.mark.parametrize("content", ["[]", "1", "null", "{", '{"nothing": 1}'])
    def test_takes_an_object_with_the_request_s_fields(
        self, cagnotte: Cagnotte, content: str
    ) -> None:
        """Anything else is refused before anybody is called."""
        refused = cagnotte("call", "wallet.GetWalletTotals", content)

        assert refused.returncode == 2
        assert refused.stderr.startswith("cagnotte: GetWalletTotalsRequest ")

    def test_a_customer_calls_as_a_shopper_only(self, cagnotte: Cagnotte) -> None:
        """Another kind of caller beside a customer is a contradiction."""
        customer = "--customer=018f0000-0000-7000-8000-0000000000aa"

        refused = cagnotte("call", "wallet.GetTime", "--as=till", customer)

        assert refused.returncode == 2
        assert "A customer calls as a shopper" in refused.stderr
        assert cagnotte.call("wallet.ListPaymentMethods", "--as=shopper", customer) == {}

    def test_calls_as_any_shopper(self, cagnotte: Cagnotte) -> None:
        """With --customer the caller is that shopper, who has nothing yet."""
        customer = "018f0000-0000-7000-8000-0000000000aa"

        answer = cagnotte.call("wallet.ListPaymentMethods", f"--customer={customer}")

        assert answer == {}

    def test_shows_a_refused_stream(self, cagnotte: Cagnotte) -> None:
        """A stream is called like anything else; nobody can watch what there is not."""
        watched = '{"checkout_id": "018f0000-0000-7000-8000-0000000000bb"}'

        refused = cagnotte("call", "wallet.WatchCheckout", watched, "--as=till")

        assert refused.returncode == 2
        assert "CHECKOUT_NOT_FOUND" in refused.stderr
