"""The embedded stack: real PostgreSQL, a real broker and the services on one machine, as code.

It knows the services by their commands and settings only (``python -m services.<name> serve``), exactly as any
other deployment does, so what runs here runs elsewhere by settings alone.
"""
