"""The shared core: what ratings, images and documents are all learned with. It knows none of them."""

from recae.nn.autoencoder import Autoencoder, Output
from recae.nn.codes import Deterministic, GaussianCode, KLSparse, KSparse, L1Sparse
from recae.nn.layers import Decode, Decoder, Encode, Encoder
from recae.nn.noise import Dropout, Gaussian, Masking, SaltAndPepper

__all__ = [
    "Autoencoder", "Decode", "Decoder", "Deterministic", "Dropout", "Encode", "Encoder", "Gaussian", "GaussianCode",
    "KLSparse", "KSparse", "L1Sparse", "Masking", "Output", "SaltAndPepper",
]  # fmt: skip
