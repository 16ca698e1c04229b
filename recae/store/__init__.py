"""Ratings on disk that are opened, not read: memory-mapped rows of users and of items, made out of core."""

from __future__ import annotations

from recae.store.layout import Manifest, is_store, read_manifest
from recae.store.opening import Check, check_before_use, check_store, open_store
from recae.store.prepare import prepare_store

__all__ = [
    "Check",
    "Manifest",
    "check_before_use",
    "check_store",
    "is_store",
    "open_store",
    "prepare_store",
    "read_manifest",
]  # fmt: skip
