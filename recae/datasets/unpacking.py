"""Zip archives to folders: never outside the target, never links, and in one step (all of it, or nothing)."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from recae.archives import is_plausible, opened_zip
from recae.atomic import temporary_folder
from recae.datasets.downloads import prepare_folder
from recae.errors import DownloadError
from recae.schemas import Invalid

DEEPEST = 32  # folders inside each other


def unpack(archive: Path, folder: str, into: Path, is_whole: Callable[[Path], bool] | None = None) -> Path:
    """The folder `folder` of `archive` as `into / folder`; what was there of that name is replaced, unless `is_whole`.

    Everything is unpacked beside the target first and then renamed, so a kill in the middle leaves
    no half of a data set under its name.

    Raises:
        DownloadError: the archive is broken, has a path that would leave the target or a link, unpacks to far more than
            data do, lacks `folder`, or `into` cannot be written.
    """
    prepare_folder(into)
    target = into / folder
    with temporary_folder(target) as temporary:
        try:
            with opened_zip(archive) as opened:
                _check(opened, archive, into)
                opened.extractall(temporary)
        except Invalid as error:
            raise DownloadError(f"{archive}: {error}: delete it and fetch again") from None
        except OSError as error:
            raise DownloadError(f"cannot unpack {archive} into {into}: {error.strerror or error}") from None
        unpacked = temporary / folder
        if not unpacked.is_dir():
            raise DownloadError(f"{archive} holds no folder {folder!r}: it is not the published archive")
        if is_whole is None or not is_whole(target):  # where there are no locks, another process may have been faster
            _replace(target, unpacked, temporary / "before")
    return target


def _replace(target: Path, new: Path, aside: Path) -> None:
    try:
        if target.exists():
            os.replace(target, aside)
        os.replace(new, target)
    except OSError as error:
        raise DownloadError(f"cannot unpack to {target}: {error.strerror or error}") from None


def _check(opened: zipfile.ZipFile, archive: Path, into: Path) -> None:
    members = opened.infolist()
    for member in members:
        _refuse_unsafe(member, archive)
    size = sum(member.file_size for member in members)
    if not is_plausible(size, archive.stat().st_size):
        raise DownloadError(f"{archive} would unpack to {size:,} bytes, more than data do: refused")
    if size > (free := shutil.disk_usage(into).free):
        raise DownloadError(f"{archive} needs {size:,} bytes, and {into} has room for {free:,}: make room")


def _refuse_unsafe(member: zipfile.ZipInfo, archive: Path) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if not path.parts:
        raise DownloadError(f"{archive} holds a file without a name: refused")
    drive = ":" in (path.parts[0] if path.parts else "")
    if path.is_absolute() or drive or ".." in path.parts:
        raise DownloadError(f"{archive} holds {member.filename!r}, which would be written outside its folder: refused")
    if len(path.parts) > DEEPEST:
        raise DownloadError(
            f"{archive} holds {member.filename[:60]!r}..., a path {len(path.parts)} folders deep: refused"
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DownloadError(f"{archive} holds {member.filename!r}, a link: refused")
