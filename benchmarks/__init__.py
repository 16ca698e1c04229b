"""Benchmarks: accuracy, speed and scale; one command a table, JSON results in `benchmarks/results/`.

`python -m benchmarks.NAME` runs a program by its name, whichever room it is in: the rooms that hold programs are on
this package's path. `python -m benchmarks` lists them.
"""

from pathlib import Path

ROOMS = ("accuracy", "topn", "speed", "limits", "scale")  # those with programs; peers has one, which is the room's own
__path__ += [str(Path(__file__).parent / room) for room in ROOMS]
