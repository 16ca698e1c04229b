"""Zip archives to folders: never outside the target, never links, and in one step (all of it, or nothing)."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from recae.datasets.downloads import prepare_folder
from recae.errors import DownloadError


def unpack(archive: Path, folder: str, into: Path) -> Path:
    """The folder `folder` of `archive` as `into / folder`; what was there of that name is replaced.

    Everything is unpacked beside the target first and then renamed, so a kill in the middle leaves
    no half of a data set under its name.

    Raises:
        DownloadError: the archive is broken, has a path that would leave the target or a link, lacks `folder`,
            or `into` cannot be written.
    """
    prepare_folder(into)
    target = into / folder
    with tempfile.TemporaryDirectory(prefix=f".{folder}-", dir=into) as temporary:
        try:
            with zipfile.ZipFile(archive) as opened:
                for member in opened.infolist():
                    _refuse_unsafe(member, archive)
                opened.extractall(temporary)
        except (zipfile.BadZipFile, EOFError) as error:
            raise DownloadError(f"{archive} is not a whole zip archive ({error}): delete it and fetch again") from None
        except OSError as error:
            raise DownloadError(f"cannot unpack {archive} into {into}: {error.strerror or error}") from None
        unpacked = Path(temporary) / folder
        if not unpacked.is_dir():
            raise DownloadError(f"{archive} holds no folder {folder!r}: it is not the published archive")
        if target.exists():
            shutil.rmtree(target)
        os.replace(unpacked, target)
    return target


def _refuse_unsafe(member: zipfile.ZipInfo, archive: Path) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    drive = ":" in (path.parts[0] if path.parts else "")
    if path.is_absolute() or drive or ".." in path.parts:
        raise DownloadError(f"{archive} holds {member.filename!r}, which would be written outside its folder: refused")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DownloadError(f"{archive} holds {member.filename!r}, a link: refused")
