"""Chaos on purpose: parts of a running stack are killed, and nothing that was acknowledged may be missing or double.

It sits on top of everything: the stack is the embedded one, the load is the simulator's, the proof is the auditor's.
"""
