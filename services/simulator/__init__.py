"""A store chain in a box: its tills replay real grocery baskets over gRPC.

It is a client like any other: it knows the protos and the common library, never a service.
Every choice it makes (which till, which tender, which till is offline and until when) is a pure
function of the data and a seed, so that a second replay sends exactly the same tickets.

Reading Parquet is an optional part of the distribution (``cagnotte[local]``); without it, the
replay says so instead of failing at import.
"""

from services.simulator.errors import ReplayError
from services.simulator.replay import ReplayOptions, run_replay
from services.simulator.report import ReplayReport
from services.simulator.stack import Endpoints

__all__ = ["Endpoints", "ReplayError", "ReplayOptions", "ReplayReport", "run_replay"]
