"""Instants of what the wallet keeps; those of requests are checked by ``common.runtime.timestamps``."""

from services.common.runtime.timestamps import decode_time as parse_time
from services.common.runtime.timestamps import render_time

__all__ = ["parse_time", "render_time"]
