"""The shared core: what ratings, images and documents are all learned with. It knows none of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from recae.nn.autoencoder import Autoencoder, Output
from recae.nn.bounds import Bound, negative_bound
from recae.nn.codes import Deterministic, GaussianCode, KLSparse, KSparse, L1Sparse
from recae.nn.convolutional import ConvDecoder, ConvEncoder
from recae.nn.kernel import KernelWeight
from recae.nn.layers import Decode, Decoder, Encode, Encoder
from recae.nn.noise import Dropout, Gaussian, Masking, Noise, SaltAndPepper, Uniform

if TYPE_CHECKING:
    from recae.sklearn import AutoencoderTransformer as AutoencoderTransformer

__all__ = [
    "Autoencoder", "AutoencoderTransformer", "Bound", "ConvDecoder", "ConvEncoder", "Decode", "Decoder",
    "Deterministic", "Dropout", "Encode", "Encoder", "Gaussian", "GaussianCode", "KLSparse", "KSparse", "KernelWeight",
    "L1Sparse", "Masking", "Noise", "Output", "SaltAndPepper", "Uniform", "negative_bound",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """`AutoencoderTransformer` trains, so it lives with the trainer, later on the way; users look for it here."""
    if name != "AutoencoderTransformer":
        raise AttributeError(f"module 'recae.nn' has no attribute {name!r}")
    return importlib.import_module("recae.sklearn").AutoencoderTransformer
