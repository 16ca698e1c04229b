"""`ModelHolder`: the model that serves now, and how another one takes its place while requests are answered."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from recae.errors import ModelFileError, RecaeError
from recae.serving.served_model import ServedModel, Signature, read_served, signature_of

log = logging.getLogger("recae.serving")


class ModelHolder:
    """The current model of a file, which is looked at again and again.

    A request reads `current` once, so it has one model from its beginning to its end. A new file is read, checked and
    warmed in a thread, and then takes over by one assignment. A file that cannot be read changes nothing: the old
    model goes on, and `refused` says why.
    """

    def __init__(self, path: str | Path, device: str | None = None) -> None:
        self.path, self._device = Path(path), device
        self.current: ServedModel = read_served(path, device)
        self.refused: str | None = None
        self._seen: Signature = self.current.signature
        self._reading = asyncio.Lock()

    async def reload(self, *, again: bool = True) -> bool:
        """Take over what the file holds now; whether it was another model.

        Args:
            again: also try a file that was refused before and has not been written since.

        Raises:
            ModelFileError: the file is not to be read; the model stays.
        """
        async with self._reading:
            signature = signature_of(self.path)
            if signature == self.current.signature:
                self.refused = None
                return False
            if signature == self._seen and not again:
                return False
            try:
                found = await asyncio.to_thread(read_served, self.path, self._device)
            except (RecaeError, OSError, MemoryError) as error:
                self._seen, self.refused = signature, str(error)
                log.warning("a new model is refused, and %s goes on: %s", self.current.fingerprint, error)
                raise ModelFileError(f"the new file is refused, and the old model goes on: {error}") from error
            changed = found.fingerprint != self.current.fingerprint
            self.current, self.refused, self._seen = found, None, found.signature
            log.info("model %s serves", found.fingerprint)
            return changed

    async def watch(self, seconds: float) -> None:
        """Look at the file every so many seconds, for ever."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.reload(again=False)
            except RecaeError as error:
                self.refused = str(error)
