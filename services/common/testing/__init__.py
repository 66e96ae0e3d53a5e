"""Real servers and movable clocks for tests."""
