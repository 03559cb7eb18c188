"""Single images of shards that can only be read from the first byte on."""

import os
from collections.abc import Callable, Iterator

from sslkit.data.errors import DataError
from sslkit.data.shard_samples import Sample


class ShardReader:
    """Reads on from the last image that was asked for, and starts anew only to go back.

    A process that was forked, or given a copy, starts anew too: it must not share an open file.

    Args:
        samples: The images of a shard, by its number.
    """

    def __init__(self, samples: Callable[[int], Iterator[Sample]]) -> None:
        self._samples = samples
        self._process = -1
        self._place = (-1, -1)
        self._current: Sample | None = None
        self._rest: Iterator[Sample] = iter(())

    def sample(self, shard: int, number: int) -> Sample:
        """One image.

        Args:
            shard: Its shard, from 0.
            number: Its number there, from 0.

        Raises:
            DataError: If the shard cannot be read that far.
        """
        if self._process != os.getpid() or self._place[0] != shard or self._place[1] > number:
            self._rest = self._samples(shard)
            self._process, self._place, self._current = os.getpid(), (shard, -1), None
        while self._place[1] < number or self._current is None:
            try:
                self._current = next(self._rest)
            except StopIteration:
                raise DataError(f"Shard {shard} has no image {number}.") from None
            self._place = (shard, self._place[1] + 1)
        return self._current

    def name(self, shard: int, number: int) -> str | None:
        """The name of the image that was read last, if it is this one."""
        known = self._process == os.getpid() and self._place == (shard, number)
        return self._current.name if known and self._current is not None else None

    def __getstate__(self) -> dict[str, object]:
        return {"_samples": self._samples}

    def __setstate__(self, state: dict[str, Callable[[int], Iterator[Sample]]]) -> None:
        self.__init__(state["_samples"])
