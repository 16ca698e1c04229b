"""`AutoencoderTransformer`: the shared core as a scikit-learn transformer.

It lives with the trainer, which it needs; `recae.nn.AutoencoderTransformer` is the same class.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from recae._types import Array
from recae.errors import ParameterError
from recae.nn import Autoencoder
from recae.sparse import SparseRows
from recae.training.batches import RowBatches
from recae.training.objectives import Reconstruction
from recae.training.reporting import History
from recae.training.trainer import Trainer

BLOCK = 4096  # rows encoded or decoded at a time


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Rows to codes and back, trained by gradient descent; dense arrays and SciPy sparse matrices alike.

    What a sparse matrix does not store is 0 here, as everywhere in scikit-learn; models of ratings, for which it
    is unknown, are in `recae.models`.

    Args:
        hidden: widths of the encoder's layers, the last being the code's; the decoder mirrors them.
        activation: of the hidden layers, by name, or one name a layer.
        output: activation of the output head; "sigmoid" for values in [0, 1].
        loss: squared-error, summed-squared-error, cross-entropy (values in [0, 1]) or multinomial.
        tied: the decoder uses the encoder's weights, transposed.
        dropout: fraction of hidden units dropped in training.
        noise: a part from `recae.nn` that corrupts the input in training, such as `Masking(0.3)`.
        code: a part from `recae.nn` such as `KLSparse()`, `KSparse(5)` or `GaussianCode()`.
        network: an `Autoencoder` to train instead of one built from the above, such as a convolutional one; it
            is copied, and what was learned stays in `network_`.
        epochs, batch_size, lr, schedule, decay, device: see `Trainer` and `RowBatches`.
        random_state: seed of initial weights, order and noise.

    Attributes:
        network_: the trained `Autoencoder`.
        history_: what training reported, epoch by epoch.
        n_features_in_, feature_names_in_: of the rows seen in `fit`.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (32,),
        *,
        activation: str | Sequence[str] = "sigmoid",
        output: str = "identity",
        loss: str = "squared-error",
        tied: bool = False,
        dropout: float = 0.0,
        noise: nn.Module | None = None,
        code: nn.Module | None = None,
        network: Autoencoder | None = None,
        epochs: int = 30,
        batch_size: int = 128,
        lr: float = 1e-3,
        schedule: str = "constant",
        decay: float = 0.0,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.output = output
        self.loss = loss
        self.tied = tied
        self.dropout = dropout
        self.noise = noise
        self.code = code
        self.network = network
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.schedule = schedule
        self.decay = decay
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> AutoencoderTransformer:
        """Train on rows X (n, features), dense or sparse; `y` is not used.

        Raises:
            ValueError: X cannot be used (as everywhere in scikit-learn), or a parameter is out of range.
            DataError: cross-entropy, and values outside [0, 1] (also a ValueError).
        """
        X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32))
        if self.batch_size < 1:
            raise ParameterError(name="batch_size", value=self.batch_size, expected="at least 1, the rows of a step")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rows = _rows(X)
        network = self._network(seed)
        trainer = Trainer(
            epochs=self.epochs, lr=self.lr, schedule=self.schedule, decay=self.decay, device=self.device,
            kernels=isinstance(rows, SparseRows), seed=seed, progress=False,
        )  # fmt: skip
        batches = RowBatches(rows, batch_size=min(self.batch_size, len(rows)))
        self.history_: History = trainer.fit(network, batches, Reconstruction(self.loss))
        self.network_ = network
        return self

    def transform(self, X: Any) -> Array:
        """Codes of rows X (n, features): (n, code), in X's precision."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
        return self._in_blocks(self.network_.encode, _rows(X), X.dtype)

    def inverse_transform(self, X: Any) -> Array:
        """Rows from codes X (n, code): (n, features)."""
        check_is_fitted(self)
        codes = np.asarray(X)
        dtype = codes.dtype if codes.dtype in (np.float32, np.float64) else np.dtype(np.float64)
        if codes.ndim != 2 or codes.shape[1] != self._n_features_out:
            raise ParameterError(f"codes of shape {codes.shape}: (n, {self._n_features_out}) is needed")
        return self._in_blocks(self.network_.decode, _rows(codes), dtype)

    @property
    def _n_features_out(self) -> int:
        return int(self.network_.decoder.code_width)  # type: ignore[arg-type]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _network(self, seed: int) -> Autoencoder:
        """An untrained network: a copy of the one given, or a mirrored one for rows as wide as those seen."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.network is not None:
                return copy.deepcopy(self.network)
            return Autoencoder.mirrored(
                [self.n_features_in_, *self.hidden], activations=self.activation, output=self.output, tied=self.tied,
                dropout=self.dropout, noise=copy.deepcopy(self.noise), code=copy.deepcopy(self.code),
            )  # fmt: skip

    @torch.no_grad()
    def _in_blocks(self, function: Any, rows: Tensor | SparseRows, dtype: npt.DTypeLike) -> Array:
        device = next(self.network_.parameters()).device
        parts = torch.split(torch.arange(len(rows)), BLOCK)
        return np.concatenate([function(rows[part].to(device)).cpu().numpy() for part in parts]).astype(dtype)


def _rows(X: Any) -> Tensor | SparseRows:
    """Float32 rows as the core takes them."""
    return SparseRows.from_scipy(X) if sparse.issparse(X) else torch.from_numpy(np.array(X, dtype=np.float32))
