"""All models by name: for the command line, the contract tests and the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recae.errors import ModelFileError, ParameterError
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
from recae.models.vae.cdae import CDAE
from recae.models.vae.mult_vae import MultDAE, MultVAE
from recae.models.vae.recvae import RecVAE
from recae.recommender.base import Recommender
from recae.recommender.files import read_model


@dataclass(frozen=True)
class Entry:
    """A model's class, the hyper-parameters that its name stands for, and a sentence about it."""

    model_class: type[Recommender]
    about: str
    preset: dict[str, Any] = field(default_factory=dict)

    def make(self, **params: Any) -> Recommender:
        """A new model; `params` go over the preset."""
        return self.model_class(**{**self.preset, **params})


MODELS: dict[str, Entry] = {
    "i-autorec": Entry(AutoRec, "item-based AutoRec: predicts ratings from what each item received", {"by": "item"}),
    "u-autorec": Entry(AutoRec, "user-based AutoRec: predicts ratings from what each user gave", {"by": "user"}),
    "sparse-fc": Entry(SparseFC, "item autoencoder whose units are connected where their learnt positions are near"),
    "glocal-k": Entry(GLocalK, "SparseFC fine-tuned on the rating matrix under a learnt convolution"),
    "deep-rec": Entry(DeepRec, "deep user-based autoencoder under strong dropout, its dense output fed back in"),
    "cfn": Entry(CFN, "denoising autoencoder for ratings that reads features of users and items; serves cold ones"),
    "wide-deep": Entry(WideDeep, "autoencoder for ratings with features and a learnt vector beside each row"),
    "dual-autorec": Entry(DualAutoRec, "item autoencoder whose output units are encoded from what the users gave"),
    "pca": Entry(PCARecommender, "PCA of sparse rows (PureSVD): the linear autoencoder without training"),
    "linear-ae": Entry(LinearAutoencoder, "linear autoencoder trained by gradient on sparse rows"),
    "ease": Entry(EASE, "EASE: a linear autoencoder in closed form, its diagonal zero"),
    "edlae": Entry(EDLAE, "EASE that learns under dropout"),
    "dlae": Entry(DLAE, "linear autoencoder under dropout, in closed form, its diagonal free"),
    "rlae": Entry(RLAE, "linear autoencoder in closed form, its diagonal bounded"),
    "dan": Entry(DAN, "linear autoencoder in closed form, with popular items and active users held back"),
    "elsa": Entry(ELSA, "linear autoencoder of low rank with a zero diagonal, for large catalogues"),
    "sparse-ease": Entry(SparseEASE, "EASE on the neighbours of each item, for large catalogues"),
    "mult-dae": Entry(MultDAE, "denoising autoencoder under a multinomial likelihood"),
    "mult-vae": Entry(MultVAE, "variational autoencoder under a multinomial likelihood, its KL term annealed"),
    "rec-vae": Entry(RecVAE, "Mult-VAE with a composite prior, encoder and decoder learning in turns"),
    "cdae": Entry(CDAE, "denoising autoencoder with a vector for each user"),
    "als": Entry(ImplicitALS, "matrix factorisation for ranking by alternating least squares (implicit)"),
    "bpr": Entry(ImplicitBPR, "matrix factorisation for ranking by pairs (implicit)"),
    "biased-mf": Entry(BiasedMF, "matrix factorisation with biases: predicts ratings"),
    "item-knn": Entry(ItemKNN, "item neighbourhoods by cosine"),
    "slim": Entry(SLIM, "sparse linear methods: each item regressed on few others"),
    "blend": Entry(Blend, "several rating models as one, weighted on ratings put aside (stacking)"),
    "dated": Entry(Dated, "a rating model corrected by what it left over of ratings near in time; reads dates"),
    "bias": Entry(Bias, "mean plus user and item deviations: the baseline of rating prediction"),
    "global-mean": Entry(GlobalMean, "the mean rating, for everything"),
    "popularity": Entry(Popularity, "the most rated items, for everybody"),
}


def make_model(name: str, **params: Any) -> Recommender:
    """A new model by its name in `MODELS`.

    Raises:
        ParameterError: there is none of that name.
    """
    if name not in MODELS:
        raise ParameterError(f"model {name!r}: choose one of {', '.join(MODELS)}")
    return MODELS[name].make(**params)


def load_model(path: str | Path, *, device: str | None = None) -> Recommender:
    """A fitted model from the file that its `save` wrote.

    Args:
        path: the file.
        device: where it is to compute, for models that have a `device`; by default as it was made with. A model
            made with device="cuda" is read elsewhere with device="auto".

    Raises:
        ParameterError: that device is not on this machine.
        ModelFileError: the file is missing, foreign, truncated, tampered with, or from a newer version.
    """
    class_name, params, ratings, arrays = read_model(path)
    classes = {entry.model_class.__name__: entry.model_class for entry in MODELS.values()}
    if class_name not in classes:
        raise ModelFileError(f"{path} holds a {class_name}, which this version of recae does not know: upgrade recae")
    if device is not None and "device" in params:
        params = {**params, "device": device}
    return classes[class_name]._from_file(params, ratings, arrays)
