"""Cores and memory are lent to the kernels, and returned."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from recae.sparse import resources
from recae.sparse.resources import kernel_threads, large_empty, reuse_buffers


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    """PyTorch starts each test with three threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_pytorch_has_its_threads_back_after_an_error() -> None:
    """Within `kernel_threads` PyTorch has one thread, afterwards as many as before."""
    seen = []

    def work() -> None:
        with kernel_threads():
            seen.append(torch.get_num_threads())
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert seen == [1]
    assert torch.get_num_threads() == 3


def test_nested_use_ends_with_the_outer_one() -> None:
    """The end of an inner `kernel_threads` does not return the cores; nor does an inactive one take them."""
    with kernel_threads(False):
        assert torch.get_num_threads() == 3
    with kernel_threads():
        with kernel_threads():
            pass
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_threads_that_overlap_all_have_pytorchs_threads_back() -> None:
    """A thread that enters while another is within, and leaves after it, does not keep the other's one thread."""
    entered, left = threading.Event(), threading.Event()
    seen = []

    def second() -> None:
        with kernel_threads():
            entered.set()
            assert left.wait(60)
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())

    thread = threading.Thread(target=second)
    with kernel_threads():
        thread.start()
        assert entered.wait(60)
    left.set()
    thread.join(60)
    assert seen == [1, 3]
    assert torch.get_num_threads() == 3


def test_a_returned_buffer_is_used_again_and_freed_at_the_end() -> None:
    """A large result has the memory of the one before it, if nothing refers to that any more; outside, none is kept."""
    with reuse_buffers():
        first = large_empty(1024, 300, torch.float32)
        address = first.data_ptr()
        row = first[3]
        del first
        second = large_empty(1024, 300, torch.float32)
        assert second.data_ptr() != address  # `row` still refers to it
        del row
        assert large_empty(300, 1024, torch.float32).data_ptr() == address
        assert resources._free
    assert not resources._free
