"""``python -m services.wallet serve | migrate``."""

from services.common.runtime.command import run_service
from services.common.runtime.lifecycle import COLLECT_AFTER_CALLS
from services.wallet.config import Settings
from services.wallet.main import migrate, serve

if __name__ == "__main__":
    run_service(
        Settings,
        service="wallet",
        serve=serve,
        migrate=migrate,
        collect_after=COLLECT_AFTER_CALLS,
    )
