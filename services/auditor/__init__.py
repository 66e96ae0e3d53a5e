"""The auditor: proves, from the databases alone, that every service kept its promises.

It sits above the services and is the only code that looks into more than one database. It reads
snapshots, writes nothing, and recomputes what is stored: sums, running balances, hash chains, and
every state table from its journal. ``docs/verify.md`` tells what each check proves.
"""

from services.auditor.parallel import AuditError
from services.auditor.report import Check, VerifyReport
from services.auditor.verify import run_verify

__all__ = ["AuditError", "Check", "VerifyReport", "run_verify"]
