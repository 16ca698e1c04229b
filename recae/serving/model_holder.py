"""`ModelHolder`: the model that serves now, and how another one takes its place while requests are answered."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from recae.errors import ModelFileError, RecaeError
from recae.serving.served_model import ServedModel, Signature, read_served, signature_of

log = logging.getLogger("recae.serving")
AGAIN = 30.0  # seconds until a file is tried again that the system, and not its content, kept from being read


class ModelHolder:
    """The current model of a file, which is looked at again and again.

    A request reads `current` once, so it has one model from its beginning to its end. A new file is read, checked and
    warmed in a thread, and then takes over by one assignment. A file that cannot be read changes nothing: the old
    model goes on, and `refused` says why. It is read again when it is written anew, or after a while where it was not
    the content that was wrong: it may be readable by then, or the memory be there.
    """

    def __init__(self, path: str | Path, device: str | None = None) -> None:
        self.path, self._device = Path(path), device
        self.current: ServedModel = read_served(path, device)
        self.refused: str | None = None
        self._seen: Signature = self.current.signature
        self._try_again = float("inf")  # when, by the monotonic clock
        self._told: Any = None
        self._reading = asyncio.Lock()

    async def reload(self, *, again: bool = True) -> bool:
        """Take over what the file holds now; whether it was another model.

        Args:
            again: also try a file that was refused for its content and has not been written since.

        Raises:
            ModelFileError: the file is not to be read; the model stays.
        """
        async with self._reading:
            try:
                return await self._look(again)
            except ModelFileError as error:
                told = self._seen, str(error)  # a file that is not there is met at every look, and said once
                if told != self._told:
                    log.warning("%s; model %s goes on", error, self.current.fingerprint)
                self.refused, self._told = str(error), told
                raise

    async def _look(self, again: bool) -> bool:
        signature = signature_of(self.path)
        if signature == self.current.signature:
            self.refused = None
            return False
        if signature == self._seen and not again and time.monotonic() < self._try_again:
            return False
        try:
            found = await asyncio.to_thread(read_served, self.path, self._device)
        except Exception as error:  # whatever a file does to the code that reads it, the old model goes on
            self._seen, self._try_again = signature, time.monotonic() + AGAIN if _may_pass(error) else float("inf")
            said = str(error) if isinstance(error, RecaeError) else f"{self.path}: {type(error).__name__} {error}"
            raise ModelFileError(f"the new file is refused, and the old model goes on: {said.strip()}") from error
        changed = found.fingerprint != self.current.fingerprint
        self.current, self.refused, self._seen = found, None, found.signature
        log.info("model %s of %s serves", found.fingerprint, self.path)
        return changed

    async def watch(self, seconds: float) -> None:
        """Look at the file every so many seconds, for ever."""
        while True:
            await asyncio.sleep(seconds)
            with suppress(ModelFileError):  # which `reload` has said
                await self.reload(again=False)


def _may_pass(error: Exception) -> bool:
    """Whether the system, and not the content of a file, kept it from being read."""
    both = error, error.__context__
    return any(isinstance(one, OSError | MemoryError) and not isinstance(one, RecaeError) for one in both)
