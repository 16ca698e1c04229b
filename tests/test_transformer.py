"""`AutoencoderTransformer` among scikit-learn's estimators."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from recae.errors import DataError, ParameterError
from recae.nn import Autoencoder, AutoencoderTransformer, GaussianCode, KLSparse, Masking

# No check of scikit-learn's is expected to fail. (Its array-API check skips itself unless SCIPY_ARRAY_API is set.)


@parametrize_with_checks([AutoencoderTransformer(hidden=(2,), epochs=2, device="cpu")])
def test_scikit_learns_own_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    """The estimator keeps every convention that scikit-learn's check_estimator knows."""
    check(estimator)


def digits(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    return data.data[:n] / 16, data.target[:n]


def small(**settings: Any) -> AutoencoderTransformer:
    return AutoencoderTransformer(**{"hidden": (16,), "epochs": 5, "device": "cpu", "random_state": 0, **settings})


def test_it_works_in_a_pipeline_and_a_search() -> None:
    """Codes feed a classifier better than chance, and a grid search sets its parameters."""
    x, y = digits()
    pipeline = make_pipeline(MinMaxScaler(), small(epochs=60, lr=1e-2), LogisticRegression(max_iter=500))
    assert pipeline.fit(x[:200], y[:200]).score(x[200:], y[200:]) > 0.7
    grid = {"autoencodertransformer__hidden": [(4,), (8,)], "autoencodertransformer__epochs": [1]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(x, y)
    assert search.best_params_["autoencodertransformer__hidden"] in [(4,), (8,)]


def test_inverse_transform_is_the_way_back() -> None:
    """Reconstruction is decode(encode(x)), beats the mean image, and keeps precision and shape."""
    x, _ = digits()
    fitted = small(epochs=60, output="sigmoid", lr=1e-2).fit(x)
    back = fitted.inverse_transform(fitted.transform(x))
    assert back.shape == x.shape
    assert back.dtype == x.dtype
    assert np.mean((back - x) ** 2) < 0.5 * np.mean((x.mean(axis=0) - x) ** 2)
    with torch.no_grad():
        expected = fitted.network_.reconstruct(torch.from_numpy(x).float()).numpy()
    np.testing.assert_allclose(back, expected, atol=1e-6)


def test_dense_and_sparse_rows_train_the_same_network() -> None:
    """The same rows, stored or not, give the same codes: what is not stored is 0 in both."""
    x, _ = digits(100)
    dense, stored = small().fit(x), small().fit(sparse.csr_array(x))
    np.testing.assert_allclose(dense.transform(x), stored.transform(sparse.csr_matrix(x)), atol=1e-4)


def test_linear_codes_span_what_pca_spans() -> None:
    """With identity activations its reconstructions come within 5 % of PCA's error after a short training."""
    x, _ = digits()
    fitted = small(hidden=(5,), activation="identity", epochs=300, lr=2e-2, schedule="one-cycle", batch_size=50).fit(x)
    pca = PCA(5).fit(x)
    ours = np.mean((fitted.inverse_transform(fitted.transform(x)) - x) ** 2)
    assert ours < 1.05 * np.mean((pca.inverse_transform(pca.transform(x)) - x) ** 2)


@pytest.mark.parametrize(
    "settings",
    [
        {"tied": True},
        {"noise": Masking(0.2), "loss": "cross-entropy"},
        {"code": KLSparse(), "hidden": (20, 9)},
        {"code": GaussianCode(), "loss": "cross-entropy", "hidden": (20, 3)},
        {"loss": "multinomial", "dropout": 0.2, "activation": ["relu"]},
        {"network": Autoencoder.convolutional((8, 8), (4, 2))},
    ],
    ids=["tied", "denoising", "sparse", "variational", "multinomial", "convolutional"],
)
def test_every_part_can_be_handed_in_and_cloned(settings: dict[str, Any]) -> None:
    """Parts and whole networks are parameters: clone copies them, fit trains copies, and results repeat."""
    x, _ = digits(80)
    estimator = small(**settings)
    kept = copy.deepcopy(settings.get("network"))
    codes = estimator.fit_transform(x)
    np.testing.assert_allclose(codes, clone(estimator).fit_transform(x), atol=1e-6)
    assert len(estimator.get_feature_names_out()) == codes.shape[1]
    if kept is not None:
        for before, after in zip(kept.parameters(), settings["network"].parameters()):
            assert torch.equal(before, after)


def test_a_fitted_estimator_survives_pickle() -> None:
    """scikit-learn's users pickle and deep-copy estimators; codes stay the same. (recae itself writes no pickle.)"""
    x, _ = digits(60)
    fitted = small(activation="tanh", output="softmax").fit(x)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(fitted.transform(x), again.transform(x))


def test_the_callers_random_state_is_left_alone() -> None:
    """fit draws from its own seed: PyTorch's global state is the same before and after."""
    before = torch.get_rng_state()
    small(epochs=1).fit(digits(30)[0])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"loss": "cross-entropy"}, DataError, r"\[0, 1\]"),
        ({"loss": "huber"}, ParameterError, "huber"),
        ({"batch_size": 0}, ParameterError, "batch_size=0"),
        ({"hidden": ()}, ParameterError, "sizes"),
        ({"network": Autoencoder.mirrored("9-2")}, DataError, r"\(batch, 9\)"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], error: type[Exception], words: str) -> None:
    """Errors are recae's, and ValueErrors as scikit-learn's users expect."""
    x = 16 * digits(30)[0]
    with pytest.raises(error, match=words) as caught:
        small(**settings).fit(x)
    assert isinstance(caught.value, ValueError)


def test_it_must_be_fitted_first_and_codes_must_fit() -> None:
    """transform before fit is scikit-learn's NotFittedError; codes of another width are refused."""
    with pytest.raises(NotFittedError):
        small().transform(digits(5)[0])
    with pytest.raises(ParameterError, match=r"\(n, 16\)"):
        small(epochs=1).fit(digits(30)[0]).inverse_transform(np.zeros((2, 3)))


def test_it_is_found_where_the_core_is() -> None:
    """recae.nn names it without importing it before it is asked for, and knows no other name."""
    import recae.nn
    import recae.sklearn

    assert recae.nn.AutoencoderTransformer is recae.sklearn.AutoencoderTransformer
    with pytest.raises(AttributeError, match="no attribute 'Encodr'"):
        _ = recae.nn.Encodr
