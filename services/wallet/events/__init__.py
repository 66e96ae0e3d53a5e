"""Facts of other services, one handler an event; none is consumed yet."""
