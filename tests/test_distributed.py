"""Several processes that fit one model: real ones, started by torchrun, two of them on gloo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from cli_helpers import LIMITS, inline, parsed, process
from ranks_program import CURVES, NOISY
from safetensors.numpy import load_file

from recae.distributed.launch import Launch, launch, threads_each
from recae.distributed.ranks import Ranks, choose_device, current, own_device
from recae.errors import ParameterError
from recae.models import MODELS

TORCHRUN = [
    sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--monitor-interval=0.1"
]  # fmt: skip
PROGRAM = Path(__file__).with_name("ranks_program.py")
LONG = ("train", "sample", "--hidden", "20", "--epochs", "16", "--noise", "0", "--validation", "0", "--json")
SECOND = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", "LOCAL_RANK": "1"}


def torchrun(*args: Any, cwd: Path, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TORCHRUN, *options, *map(str, args)], cwd=cwd, env=os.environ | LIMITS, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the two processes of `ranks_program.py` found, one after the other."""
    folder = tmp_path_factory.mktemp("ranks")
    run = torchrun(PROGRAM, folder, cwd=Path(__file__).parents[1])
    _, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def close(one: dict[str, Any], other: dict[str, Any], tolerance: float = 1e-5) -> None:
    """Two curves are the same: losses, validation figures, the epoch that was kept, and all learnt arrays."""
    assert one["best_epoch"] == other["best_epoch"]
    assert one["arrays"].keys() == other["arrays"].keys()
    np.testing.assert_allclose(one["loss"], other["loss"], rtol=tolerance)
    np.testing.assert_allclose(one["validation"], other["validation"], rtol=tolerance)
    for name, values in one["arrays"].items():
        np.testing.assert_allclose(values, other["arrays"][name], rtol=tolerance, atol=tolerance)


# ---------------------------------------------------------------- several processes and one


@pytest.mark.parametrize("name", CURVES)
def test_two_processes_have_the_curve_of_one(name: str, found: list[dict[str, Any]]) -> None:
    """With the same global batch, losses, validation figures and weights are one process's to 1e-5, in both of two.

    Weights between hidden states have gradients of almost nothing at first, of which Adam takes little but the sign:
    what sums in another order leave of them differs from one processor to the next. There it is 1e-4.
    """
    first, second = (results["curves"][name] for results in found)
    assert first["together"] == second["together"]  # bit for bit
    assert len(set(first["together"]["loss"])) > 1
    close(first["together"], first["single"], 1e-4 if name.startswith("session") else 1e-5)


@pytest.mark.parametrize("name", NOISY)
def test_processes_never_drift_apart(name: str, found: list[dict[str, Any]]) -> None:
    """Where each process draws noise of its own, all end with the same bits nevertheless."""
    assert [results["noisy"][name] for results in found] == [True, True]


def test_an_interruption_of_one_stops_both_and_is_resumed_exactly(found: list[dict[str, Any]]) -> None:
    """Ctrl-C (twice: torchrun passes it on) in one process stops both after the same step; with noise and dropout, what
    is resumed is bit for bit what was never stopped."""
    assert found[0]["resumed"]["said"] == found[1]["resumed"]["said"]
    assert "after 1 of 4 epochs and 2 of 4 steps" in found[0]["resumed"]["said"]
    resumed, unbroken = found[0]["resumed"]["noisy"]
    assert resumed == unbroken


def test_a_checkpoint_resumes_with_another_number_of_processes(found: list[dict[str, Any]]) -> None:
    """Begun by two and ended by one, and the other way round: the curve of one process throughout."""
    whole = found[0]["curves"]["i-autorec"]["single"]
    close(found[0]["resumed"]["2 to 1"], whole)
    close(found[0]["resumed"]["1 to 2"], whole)
    assert found[0]["resumed"]["1 to 2"] == found[1]["resumed"]["1 to 2"]


def test_a_gradient_of_few_rows_travels_as_rows(found: list[dict[str, Any]]) -> None:
    """Two rows of 400 a process: 2 x (3 values and a number) are sent, not 1,200 values, and the sums are those of
    weights 1/2; a gradient without rows of zeros goes with the dense ones (400 biases and 2 numbers before)."""
    for results in found:
        seen = results["in rows"]
        assert seen["rows"] == [7, 100, 101]
        assert seen["values"] == [[1.5, 3.0, 4.5], [0.5, 1.0, 1.5], [1.0, 2.0, 3.0]]
        assert seen["bias"] == [1.5]
        assert seen["numbers"] == [1.0, 2.0]
        assert seen["sent"] == {"dense": 402, "rows": 8}
        assert seen["then"] == [2.0]
        assert seen["sent then"] == {"dense": 402 + 1201, "rows": 8}


@pytest.mark.parametrize("name", ["ease", "dan"])
def test_closed_forms_add_up_their_gram_matrices(name: str, found: list[dict[str, Any]]) -> None:
    """EASE of binary rows has one process's bits, for counts add up exactly; DAN's weighted users do to 1e-12."""
    first, second = (results[name] for results in found)
    assert first["together"] == second["together"]
    for array, values in first["together"].items():
        np.testing.assert_allclose(values, first["single"][array], rtol=0, atol=0 if name == "ease" else 1e-7)


def test_figures_are_those_of_one_process(found: list[dict[str, Any]]) -> None:
    """Every figure of a report is the same for a model of two processes and for one of a single process."""
    assert found[0]["figures"]["together"] == found[0]["figures"]["single"] == found[1]["figures"]["together"]


def test_what_goes_wrong_in_the_first_goes_wrong_in_all(found: list[dict[str, Any]]) -> None:
    """An error that only the first process can meet is raised in both, with its type and message; neither waits."""
    for results in found:
        assert results["first's error"] == "only the first one could know"
        assert "not positive definite" in results["ill"]


def test_other_data_are_not_trained_on(found: list[dict[str, Any]]) -> None:
    """Processes with different ratings are told so, before any step."""
    assert all("do not have the same ratings" in results["other data"] for results in found)


def test_models_that_cannot_share_rows_are_refused(found: list[dict[str, Any]]) -> None:
    """Each process would fit the whole model: refused, with a remedy; so is a penalty on a whole batch's mean."""
    for results in found:
        assert len(results["refused"]) == 3
        assert all("without torchrun" in said for said in results["refused"].values())
        assert "L1Sparse" in results["kl"]


def test_the_page_lists_the_models_that_share_rows() -> None:
    """docs/scale.md names every model whose rows several processes divide, and no other."""
    page = (Path(__file__).parents[1] / "docs" / "scale.md").read_text()
    listed = page.split("<!-- begin generated: shared -->")[1].split("<!-- end generated: shared -->")[0]
    named = {name for name in MODELS if f"`{name}`" in listed}
    assert named == {name for name, entry in MODELS.items() if entry.model_class.shares_rows}


# ---------------------------------------------------------------- the command line


def test_a_killed_process_is_restarted_and_ends_where_one_go_ends(tmp_path: Path) -> None:
    """kill -9 of the second process in the middle; torchrun starts both again, and the command resumes by itself: one
    JSON on stdout (only the first process prints), the model written, its weights one process's to 1e-5."""
    checkpoint = tmp_path / "m.recae.ckpt"
    run = torchrun(
        "-m", "recae", *LONG, "--out", "m.recae", "--checkpoint-every", "0", cwd=tmp_path, options=("--max-restarts=1",)
    )  # fmt: skip
    give_up = time.monotonic() + 60
    while not checkpoint.exists():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.005)
    first, second = sorted(psutil.Process(run.pid).children(), key=lambda p: p.environ().get("RANK", ""))[-2:]
    run.send_signal(signal.SIGSTOP)  # torchrun would end the first one, too, perhaps before that one has seen it
    second.send_signal(signal.SIGKILL)
    while first.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < give_up
        time.sleep(0.005)
    run.send_signal(signal.SIGCONT)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert "has lost touch with the others" in err
    assert "training resumes from the checkpoint" in err
    whole = parsed(*LONG, "--out", tmp_path / "whole.recae")
    assert json.loads(out)["epochs"] == whole["epochs"] == 16
    assert json.loads(out)["rmse"] == pytest.approx(whole["rmse"], rel=1e-5)
    one, other = load_file(tmp_path / "whole.recae"), load_file(tmp_path / "m.recae")
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-5)
    assert not checkpoint.exists()


def test_other_commands_are_refused_under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be done twice: the first process says so, with exit code 2, and the second says nothing at all."""
    for name, value in SECOND.items():
        monkeypatch.setenv(name, value)
    silent = process("models")
    assert (silent.returncode, silent.stdout, silent.stderr) == (2, "", "")
    monkeypatch.setenv("RANK", "0")
    heard = inline("models")
    assert heard.exit_code == 2
    assert "without torchrun" in heard.stderr


# ---------------------------------------------------------------- one process of several


def test_a_process_knows_its_rank_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchrun's variables are read; without them, or for one process, there is no other."""
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    assert launch() == Launch()
    for name, value in {**SECOND, "RANK": "5", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "2")
    assert launch() == Launch(rank=5, size=8, local_rank=1, local_size=4, restarts=2)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert launch() == Launch()


@pytest.mark.parametrize(
    ("numba", "omp", "threads"), [(None, None, 3), (None, "1", 3), (None, "4", 4), ("1", "4", 1), ("2", "1", 2)]
)
def test_processes_share_the_cores(
    numba: str | None, omp: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven cores for two processes are three each, for OMP_NUM_THREADS=1 is torchrun's doing; wishes are followed."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(7)), raising=False)
    for name, value in (("NUMBA_NUM_THREADS", numba), ("OMP_NUM_THREADS", omp)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert threads_each(2) == threads


def test_a_single_process_does_not_communicate() -> None:
    """Of one process, sums, gathers and broadcasts are what is put in, without a process group."""
    ranks, tensor = current(), torch.tensor([1.0, 2.0])
    assert ranks == Ranks()
    assert ranks.all_sum_(tensor) is ranks.broadcast_(tensor) is ranks.share(tensor) is tensor
    assert ranks.gather(tensor).tolist() == [[1.0, 2.0]]
    assert ranks.total(1, 2.5) == [1.0, 2.5]
    assert ranks.from_first(lambda: "said") == "said"
    assert not torch.distributed.is_initialized()


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second process of a machine takes its second GPU; one GPU for all, too few of them, or mps is refused."""
    for name, value in {**SECOND, "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert own_device(torch.device("cuda")) == torch.device("cuda", 1)
    assert own_device(torch.device("cpu")) == choose_device("cpu") == torch.device("cpu")
    for device, remedy in (("cuda:0", "each of them its own"), ("mps", "'cpu' or 'cuda'")):
        with pytest.raises(ParameterError, match=remedy):
            own_device(torch.device(device))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ParameterError, match="nproc-per-node=1"):
        own_device(torch.device("cuda"))
