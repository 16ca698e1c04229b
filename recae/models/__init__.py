"""The models: importing one registers it. A new model is one more line here; lists show them in this order."""

# ruff: noqa: I001

from recae.models.autorec.autorec import AutoRec as AutoRec
from recae.models.item_codes.sparse_fc import SparseFC as SparseFC
from recae.models.item_codes.glocal_k import GLocalK as GLocalK
from recae.models.autorec.deep_rec import DeepRec as DeepRec
from recae.models.autorec.cfn import CFN as CFN
from recae.models.autorec.wide_deep import WideDeep as WideDeep
from recae.models.item_codes.dual_autorec import DualAutoRec as DualAutoRec
from recae.models.linear.pca_recommender import PCARecommender as PCARecommender
from recae.models.linear.linear_ae import LinearAutoencoder as LinearAutoencoder
from recae.models.linear.closed_form import EASE as EASE
from recae.models.linear.ease_relatives import EDLAE as EDLAE
from recae.models.linear.ease_relatives import DLAE as DLAE
from recae.models.linear.ease_relatives import RLAE as RLAE
from recae.models.linear.ease_relatives import DAN as DAN
from recae.models.linear.elsa import ELSA as ELSA
from recae.models.linear.neighbours import ItemKNN as ItemKNN
from recae.models.linear.neighbours import SLIM as SLIM
from recae.models.linear.sparse_ease import SparseEASE as SparseEASE
from recae.models.linear.spectral import Spectral as Spectral
from recae.models.vae.mult_vae import MultVAE as MultVAE
from recae.models.vae.mult_vae import MultDAE as MultDAE
from recae.models.vae.recvae import RecVAE as RecVAE
from recae.models.vae.cdae import CDAE as CDAE
from recae.models.classic.implicit_mf import ImplicitALS as ImplicitALS
from recae.models.classic.implicit_mf import ImplicitBPR as ImplicitBPR
from recae.models.classic.biased_mf import BiasedMF as BiasedMF
from recae.models.ensemble.blend import Blend as Blend
from recae.models.ensemble.ranking_blend import RankingBlend as RankingBlend
from recae.models.ensemble.dated import Dated as Dated
from recae.models.ensemble.hybrid import Hybrid as Hybrid
from recae.models.ensemble.recency import Recency as Recency
from recae.models.ensemble.auto import Auto as Auto
from recae.models.sessions.session_rnn import SessionRNN as SessionRNN
from recae.models.sessions.session_ratings import SessionRatingRNN as SessionRatingRNN
from recae.models.sessions.vsknn import VSKNN as VSKNN
from recae.models.sessions.markov import Markov as Markov
from recae.models.baselines import GlobalMean as GlobalMean
from recae.models.baselines import Bias as Bias
from recae.models.baselines import Popularity as Popularity

from recae.recommender.base import Recommender as Recommender
from recae.recommender.registry import MODELS as MODELS
from recae.recommender.registry import load_model as load_model
from recae.recommender.registry import make_model as make_model
