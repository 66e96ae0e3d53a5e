"""The queue of the service, and how one command goes through it."""

from typing import TypeAlias

from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.outcomes import execute
from services.wallet.domain.command import Command
from services.wallet.domain.decide import Verdict

Queue: TypeAlias = GroupCommit[Command, Verdict]
"""The one queue of the service."""

__all__ = ["Queue", "execute"]
