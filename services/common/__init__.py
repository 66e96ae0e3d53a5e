"""The shared library: a pure kernel, a runtime, and doubles for tests. It knows no service."""
