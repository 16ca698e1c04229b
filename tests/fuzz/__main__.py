"""The program: prepare sound inputs, run cases in child processes, print figures."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import fuzz
from benchmarks.common.record import context
from fuzz.family import FAMILIES, family
from fuzz.figures import BAD, figures, table
from fuzz.pool import ending, run


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="fuzz", description=fuzz.__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=1000, help="cases over all families (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", choices=FAMILIES, action="append", help="only this one; may be repeated")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--one", type=int, metavar="CASE", help="only this case, in this process; its input is kept")
    given = parser.parse_args()
    names = given.family or list(FAMILIES)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        base = Path(folder)
        for name in names:
            (base / name).mkdir()
            family(name).prepare(base / name)
        if given.one is not None:
            work = Path(tempfile.mkdtemp(prefix="fuzz-case-"))
            print(*ending(names[0], given.seed, given.one, base / names[0], work), f"the input is in {work}", sep="\n")
            return 0
        cases = [(names[case % len(names)], case) for case in range(given.cases)]
        endings = []
        for one in run(cases, given.seed, base, given.children):
            endings.append(one)
            if one.how in BAD:
                print(f"{one.family} {one.case}: {one.how}: {one.what}", flush=True)
    found = figures(endings, given.seed, names)
    if given.out:
        given.out.write_text(json.dumps({**context(), **found}, indent=2) + "\n", encoding="utf-8")
    print(table(found))
    return int(bool(found["failures"]))


if __name__ == "__main__":
    sys.exit(main())
