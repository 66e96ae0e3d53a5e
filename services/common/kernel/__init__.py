"""Pure building blocks of every domain: values, time, ids, refusals. Standard library only."""
