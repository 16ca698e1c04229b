"""Models: one paper a file, registered in `MODELS`."""

from recae.models.autorec import AutoRec
from recae.models.baselines import Bias, GlobalMean, Popularity
from recae.models.biased_mf import BiasedMF
from recae.models.blend import Blend
from recae.models.cdae import CDAE
from recae.models.cfn import CFN
from recae.models.dated import Dated
from recae.models.deep_rec import DeepRec
from recae.models.dual_autorec import DualAutoRec
from recae.models.elsa import ELSA
from recae.models.factorisation import ImplicitALS, ImplicitBPR
from recae.models.glocal_k import GLocalK
from recae.models.linear import DAN, DLAE, EASE, EDLAE, RLAE
from recae.models.linear_ae import LinearAutoencoder
from recae.models.mult_vae import MultDAE, MultVAE
from recae.models.neighbours import SLIM, ItemKNN
from recae.models.pca import PCARecommender
from recae.models.recvae import RecVAE
from recae.models.registry import MODELS, load_model, make_model
from recae.models.sparse_ease import SparseEASE
from recae.models.sparse_fc import SparseFC
from recae.models.wide_deep import WideDeep
from recae.recommender.base import Recommender

__all__ = [
    "CDAE",
    "CFN",
    "DAN",
    "DLAE",
    "EASE",
    "EDLAE",
    "ELSA",
    "MODELS",
    "RLAE",
    "SLIM",
    "AutoRec",
    "Bias",
    "BiasedMF",
    "Blend",
    "Dated",
    "DeepRec",
    "DualAutoRec",
    "GLocalK",
    "GlobalMean",
    "ImplicitALS",
    "ImplicitBPR",
    "ItemKNN",
    "LinearAutoencoder",
    "MultDAE",
    "MultVAE",
    "PCARecommender",
    "Popularity",
    "RecVAE",
    "Recommender",
    "SparseEASE",
    "SparseFC",
    "WideDeep",
    "load_model",
    "make_model",
]
