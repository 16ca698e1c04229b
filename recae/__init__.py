"""recae: recommender systems from rating-matrix autoencoders, from linear to variational, fast on sparse rows.

import recae

ratings = recae.load("sample")
split = recae.split(ratings, "random", test=0.1, validation=0.1, rng=0)
model = recae.AutoRec(by="item").fit(split.train, split.validation)
print(recae.evaluate(model, split.test))
model.recommend(users=[1], n=10)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from recae.comparison import Comparison as Comparison
    from recae.comparison import compare as compare
    from recae.errors import RecaeError as RecaeError
    from recae.evaluation import Report as Report
    from recae.evaluation import evaluate as evaluate
    from recae.explanation import explain as explain
    from recae.loaders import load as load
    from recae.loaders import prepare_store as prepare_store
    from recae.models import CDAE as CDAE
    from recae.models import CFN as CFN
    from recae.models import DAN as DAN
    from recae.models import DLAE as DLAE
    from recae.models import EASE as EASE
    from recae.models import EDLAE as EDLAE
    from recae.models import ELSA as ELSA
    from recae.models import MODELS as MODELS
    from recae.models import RLAE as RLAE
    from recae.models import SLIM as SLIM
    from recae.models import AutoRec as AutoRec
    from recae.models import Bias as Bias
    from recae.models import BiasedMF as BiasedMF
    from recae.models import Blend as Blend
    from recae.models import Dated as Dated
    from recae.models import DeepRec as DeepRec
    from recae.models import DualAutoRec as DualAutoRec
    from recae.models import GlobalMean as GlobalMean
    from recae.models import GLocalK as GLocalK
    from recae.models import ImplicitALS as ImplicitALS
    from recae.models import ImplicitBPR as ImplicitBPR
    from recae.models import ItemKNN as ItemKNN
    from recae.models import LinearAutoencoder as LinearAutoencoder
    from recae.models import MultDAE as MultDAE
    from recae.models import MultVAE as MultVAE
    from recae.models import PCARecommender as PCARecommender
    from recae.models import Popularity as Popularity
    from recae.models import Recommender as Recommender
    from recae.models import RecVAE as RecVAE
    from recae.models import SparseEASE as SparseEASE
    from recae.models import SparseFC as SparseFC
    from recae.models import WideDeep as WideDeep
    from recae.models import load_model as load_model
    from recae.models import make_model as make_model
    from recae.ratings import RatingMatrix as RatingMatrix
    from recae.settings import load_settings as load_settings
    from recae.splitting import Split as Split
    from recae.splitting import split as split
    from recae.tuning import Tuning as Tuning
    from recae.tuning import tune as tune

# Where each public name lives; a module is imported when one of its names is first asked for.
_HOMES = {
    "recae.comparison": ("Comparison", "compare"),
    "recae.errors": ("RecaeError",),
    "recae.evaluation": ("Report", "evaluate"),
    "recae.explanation": ("explain",),
    "recae.loaders": ("load", "prepare_store"),
    "recae.models": (
        "CDAE", "CFN", "DAN", "DLAE", "EASE", "EDLAE", "ELSA", "MODELS", "RLAE", "SLIM", "AutoRec", "Bias", "BiasedMF",
        "Blend", "Dated", "DeepRec", "DualAutoRec", "GLocalK", "GlobalMean", "ImplicitALS", "ImplicitBPR", "ItemKNN",
        "LinearAutoencoder", "MultDAE", "MultVAE", "PCARecommender", "Popularity", "RecVAE", "Recommender",
        "SparseEASE", "SparseFC", "WideDeep", "load_model", "make_model",
    ),
    "recae.ratings": ("RatingMatrix",),
    "recae.settings": ("load_settings",),
    "recae.splitting": ("Split", "split"),
    "recae.tuning": ("Tuning", "tune"),
}  # fmt: skip
_NAMES = {name: home for home, names in _HOMES.items() for name in names}
__all__ = ["__version__", *sorted(_NAMES)]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'recae' has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return __all__
