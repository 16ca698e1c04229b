"""The blocks of pages, run where nothing but recae is installed: `python smoke.py PAGE...`, by that interpreter.

Python blocks run in order in one namespace; the commands of transcripts and of shell blocks run one by one.
"""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

FENCE = re.compile(r"^```(python|console|bash)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def commands(language: str, text: str) -> list[str]:
    lines = text.splitlines()
    return [line[2:] for line in lines if line.startswith("$ ")] if language == "console" else lines


def run(page: Path) -> int:
    """How many blocks of a page ran; the first that fails ends the program."""
    namespace: dict[str, object] = {}
    environment = {**os.environ, "PATH": sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", "")}
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    for language, text in found:
        if language == "python":
            exec(compile(text, str(page), "exec"), namespace)
            continue
        for command in commands(language, text):
            if not command.startswith("make "):
                subprocess.run(command, shell=True, env=environment, check=True)
    return len(found)


def main() -> None:
    import recae

    place = Path(recae.__file__).resolve()
    if not place.is_relative_to(Path(sysconfig.get_path("purelib")).resolve()):
        sys.exit(f"this is not the installed package: {place}")
    for name in sys.argv[1:]:
        print(f"{name}: {run(Path(name))} blocks ran")


if __name__ == "__main__":
    main()
