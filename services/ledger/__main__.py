"""``python -m services.ledger serve | migrate``."""

from services.common.runtime.command import run_service
from services.ledger.config import Settings
from services.ledger.main import migrate, serve

if __name__ == "__main__":
    run_service(Settings, service="ledger", serve=serve, migrate=migrate)
