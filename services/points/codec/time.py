"""Instants, as every service reads and writes them; kept ones are checked like new ones."""

from services.common.runtime.timestamps import parse_time, render_time

__all__ = ["parse_time", "render_time"]
