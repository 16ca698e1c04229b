"""Files that somebody has changed, read and used: `python -m fuzz [--cases N] [--seed S]`, with tests/ on the path.

A case follows from the seed and its number: a sound input of a family (a model file, a store, a table, ...) is written
and a part of it is changed; what recae reads from it is used as a user would. Cases run in forked child processes with
a limit of memory and of time (`pool.py`), and are counted by how they end:

    clean      an error of recae's
    accepted   read, and all that came out of it is finite, of known ids and within the scale
    wrong      accepted, and something is not; or two ways to read the same input differ
    foreign    another exception
    memory     more memory than the limit
    crash      killed by a signal
    hang       no end within the limit

Each family is a module with three functions (`Family`).
"""
