"""Zip archives of a data set: names that leave the folder, links, sizes, methods, damage. They are unpacked."""

from __future__ import annotations

import os
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from fuzz.changes import changed_bytes
from recae.datasets.unpacking import unpack
from recae.errors import RecaeError

NAMES = [
    "../evil", "ds/../../evil", "ds/..\\..\\evil", "..", "ds/./../../evil", "//x", "C:/x", "C:\\x", "c:evil", "/evil",
    "ds/a\0b", "DS/ratings.csv", "ds\\x\\y", "ds/ratings.csv/inner", "ds/\u202egnp.exe", "ds/\x1b[31m",
    "ds/ratings.csv",
    "ds/" + "a" * 254, "ds/" + "a" * 300, "ds/" + "a" * 5000, "ds/" + "d/" * 1500 + "f", "", "ds", "ds/.", "ds//x", " ",
]  # fmt: skip
MODES = [0o120777, 0o020666, 0o010666, 0o060666, 0o104777, 0o040000, 0]


def prepare(base: Path) -> None:
    with zipfile.ZipFile(base / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ds/ratings.csv", "userId,movieId,rating,timestamp\n1,2,3,4\n" * 50)
    with zipfile.ZipFile(base / "zeros.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ds/ratings.csv", "x")
        with archive.open("ds/zeros", "w") as file:
            for _ in range(256):
                file.write(bytes(1 << 20))


def write(rng: random.Random, base: Path, work: Path) -> str:
    how = rng.choice(["bytes", "bytes", "name", "name", "name", "mode", "many", "zeros", "field", "field", "method"])
    path = work / "a.zip"
    source = base / ("zeros.zip" if how == "zeros" else "a.zip")
    path.write_bytes(source.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        if how in ("name", "mode"):
            member = zipfile.ZipInfo("x")
            member.filename = rng.choice(NAMES) if how == "name" else "ds/link"
            member.external_attr = (rng.choice(MODES) if how == "mode" else 0o644) << 16
            how = f"{how} {member.filename[:20]!r} {member.external_attr >> 16:o}"
            archive.writestr(member, rng.choice([b"x", b"/etc/passwd", b"../../outside"]))
        elif how == "many":
            for k in range(3000):
                archive.writestr(f"ds/f{k}", "")
        elif how == "method":
            archive.writestr("ds/l", "x" * 1000, rng.choice([zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2]))
    data = bytearray(path.read_bytes())
    if how == "bytes":
        data = bytearray(changed_bytes(rng, bytes(data)))
    elif how == "field":  # of an entry of the directory: flags, method, checksum, sizes, attributes, where it begins
        at = data.find(b"PK\1\2") + rng.choice([8, 10, 16, 20, 24, 28, 30, 38, 42])
        data[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 9, 12, 99, 2**16, 2**31 - 1, 2**32 - 1]))
    path.write_bytes(data)
    return how


def read(work: Path) -> Iterator[str]:
    into = work / "into"
    (into / "ds").mkdir(parents=True)
    (into / "ds" / "old").write_text("old")
    try:
        folder = unpack(work / "a.zip", "ds", into)
    except RecaeError:
        if not (into / "ds" / "old").exists():
            yield "the old folder is gone after a refusal"
        if os.listdir(into) != ["ds"]:
            yield f"left behind: {os.listdir(into)}"
        raise
    finally:
        if sorted(os.listdir(work)) != ["a.zip", "into"]:
            yield "something was written outside"
    for path in folder.rglob("*"):
        if path.is_symlink() or path.stat().st_mode & 0o6000 or not (path.is_file() or path.is_dir()):
            yield f"{path.name} is a link, or neither a file nor a folder"
    if sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) > 1 << 27:
        yield "much more was unpacked than the archive has"
