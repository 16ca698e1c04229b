"""Models: one paper a file, registered in `MODELS`."""

from recae.models.autorec.autorec import AutoRec
from recae.models.autorec.cfn import CFN
from recae.models.autorec.deep_rec import DeepRec
from recae.models.autorec.wide_deep import WideDeep
from recae.models.baselines import Bias, GlobalMean, Popularity
from recae.models.classic.biased_mf import BiasedMF
from recae.models.classic.implicit_mf import ImplicitALS, ImplicitBPR
from recae.models.ensemble.blend import Blend
from recae.models.ensemble.dated import Dated
from recae.models.item_codes.dual_autorec import DualAutoRec
from recae.models.item_codes.glocal_k import GLocalK
from recae.models.item_codes.sparse_fc import SparseFC
from recae.models.linear.closed_form import DAN, DLAE, EASE, EDLAE, RLAE
from recae.models.linear.elsa import ELSA
from recae.models.linear.linear_ae import LinearAutoencoder
from recae.models.linear.neighbours import SLIM, ItemKNN
from recae.models.linear.pca_recommender import PCARecommender
from recae.models.linear.sparse_ease import SparseEASE
from recae.models.registry import MODELS, load_model, make_model
from recae.models.vae.cdae import CDAE
from recae.models.vae.mult_vae import MultDAE, MultVAE
from recae.models.vae.recvae import RecVAE
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
