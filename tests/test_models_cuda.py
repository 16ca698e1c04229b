"""All models with a `device` on a real GPU: what they give there is what they give on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import contract
import numpy as np
import pytest
import torch
from test_pretended_cuda import ASKED_BY_LBFGS, WITH_DEVICE

import recae
from recae.models import MODELS
from recae.recommender.params import declared

QUIET = {"noise": 0.0, "dropout": 0.0, "code_dropout": 0.0, "side_noise": 0.0}
DRAWN = {"mult-vae", "rec-vae"}  # codes are drawn, on each device by its own generator
PARTS = recae.split(contract.ratings(), "random", test=0.2, rng=0)


def fitted(name: str, device: str, checkpoint: Path | None, *, resume: bool = False) -> Any:
    """The model after an epoch or three, without noise."""
    own = {p.name for p in declared(MODELS[name].model_class)}
    few = {"epochs": 1 if "kernel_l2" in own else 3, "tune_epochs": 1, **QUIET}
    model = contract.small(name, device=device, **{key: value for key, value in few.items() if key in own})
    if not model.iterative:
        return model.fit(PARTS.train)
    return model.fit(PARTS.train, PARTS.test, checkpoint=checkpoint, resume=resume, progress=False)


@pytest.mark.gpu
@pytest.mark.parametrize("name", WITH_DEVICE)
def test_a_model_on_a_gpu_is_the_one_of_the_cpu(name: str, tmp_path: Path) -> None:
    """Fit, lists, save, load, resume and unseen users work on the GPU, and without noise its scores are the CPU's."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = fitted(name, "cuda", tmp_path / "kept" if MODELS[name].model_class.iterative else None)
    lists = model.recommend(contract.USERS, 3)
    assert recae.load_model(model.save(tmp_path / "model")).recommend(contract.USERS, 3).equals(lists)
    model.recommend_new(contract.frame_of(0), 3)
    if model.iterative:  # its epochs are over: it is as it was
        again = fitted(name, "cuda", tmp_path / "kept", resume=True)
        assert again.recommend(contract.USERS, 3).equals(lists)
    if model.predicts_ratings:
        model.predict(contract.USERS, contract.FILMS[0])
    found = model.score_users(np.arange(len(contract.USERS)))
    assert np.isfinite(found).all()
    if name not in DRAWN:
        wanted = fitted(name, "cpu", None).score_users(np.arange(len(contract.USERS)))
        apart = np.abs(found - wanted).max() / np.abs(wanted).max()
        assert apart < (0.05 if name in ASKED_BY_LBFGS else 1e-3)
