"""The tables that every service has: journal, relay, clock, inbox."""
