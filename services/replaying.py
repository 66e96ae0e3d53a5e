"""The embedded stack as the simulator takes it: addresses, and who its tills, phones and operator are."""

from deploy.local.identity import shopper_tokens
from deploy.local.info import running_stack_info
from deploy.local.paths import StackPaths
from services.simulator.stack import Endpoints, PhoneAccess


def endpoints_of(paths: StackPaths) -> Endpoints:
    """Return what a replay needs of the folder's stack; raises StackError when nothing of it runs."""
    info = running_stack_info(paths)
    return Endpoints(
        ledger=info.addresses["ledger"],
        points=info.addresses["points"],
        wallet=info.addresses["wallet"],
        till_token=info.tokens["till"],
        operator_token=info.tokens["operator"],
        finance_token=info.tokens["finance"],
        phones=PhoneAccess(
            shopper_token=shopper_tokens(paths),
            provider_url=info.sandbox_url,
            publishable_key=info.sandbox_publishable_key,
            secret_key=info.sandbox_key,
        ),
    )
