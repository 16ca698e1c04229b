"""Bags of words to codes: the sparse rows of the recommender, with words for items."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from recae import plots
from recae._types import Array
from recae.demos.measures import codes, precision_at, rounded
from recae.demos.stage import Figures, Stage
from recae.nn import Autoencoder, Dropout
from recae.plots import Codes
from recae.sparse import SparseRows
from recae.training import Reconstruction, RowBatches

K, SHOWN = 10, 2000
LOOK = (
    "To be seen: a document is a sparse row, as a user is, and the same kernels read it. Topics lie together in "
    "the code, though no topic was shown. A document's nearest neighbours by code are of its topic more often "
    "than by LSA with as many dimensions, the classic that a linear autoencoder would find."
)


class Corpus(NamedTuple):
    """tf-idf rows, L2-normalised, CSR float32 (n, words), and topics (n,)."""

    train: Any
    train_topics: Array
    test: Any
    test_topics: Array


def run(stage: Stage) -> Figures:
    corpus = weighted(stage)
    units = _units(corpus)
    model = stage.once("documents", lambda: autoencoder(stage, corpus, units))
    spaces = {
        "all words": (corpus.train, corpus.test),
        f"LSA, {units}": lsa(corpus, units, stage.seed),
        f"autoencoder, {units}": (_encode(model, corpus.train), _encode(model, corpus.test)),
    }
    rows = [_row(name, *pair, corpus) for name, pair in spaces.items()]
    stage.table(rows)
    series = {f"precision@{K}": [row["precision_at_10"] for row in rows]}
    figure = plots.bars(
        list(spaces), series, ylabel=f"precision@{K}", digits=3, title="Nearest train documents of a test document"
    )
    stage.save(figure, "documents-precision")
    _scatter(stage, corpus, {name: pair[1] for name, pair in list(spaces.items())[1:]})
    query = _query(stage, corpus, *list(spaces.values())[2])
    return {"data": stage.documents.source, "spaces": rows, "query": query}


def weighted(stage: Stage) -> Corpus:
    """The documents with sublinear tf-idf weights, which are worked out on the train documents; empty ones left out."""
    from sklearn.feature_extraction.text import TfidfTransformer

    documents = stage.documents
    weights = TfidfTransformer(sublinear_tf=True).fit(documents.train_rows)
    parts: list[Any] = []
    for rows, topics in (
        (documents.train_rows, documents.train_labels),
        (documents.test_rows, documents.test_labels),
    ):
        kept = np.flatnonzero(np.diff(rows.indptr) > 0)
        parts += [sparse.csr_array(weights.transform(rows[kept]), dtype=np.float32), topics[kept]]
    return Corpus(*parts)


def autoencoder(stage: Stage, corpus: Corpus, units: int) -> Autoencoder:
    """words-units-words with dropout on the words read, under the multinomial loss."""
    small = corpus.train.shape[0] < 5000
    model = stage.network([corpus.train.shape[1], units], activations="tanh", noise=Dropout(0.5))
    rows = SparseRows.from_scipy(corpus.train)
    target = SparseRows.from_scipy(shares(corpus.train))
    trainer = stage.trainer("documents", 60 if small else 20, lr=2e-3, kernels=True)
    trainer.fit(model, RowBatches(rows, target, batch_size=32 if small else 128), Reconstruction("multinomial"))
    return model.cpu()


def shares(rows: Any) -> Any:
    """Rows divided by their sums: each a distribution over words, as the multinomial loss wants."""
    from sklearn.preprocessing import normalize

    return sparse.csr_array(normalize(rows, norm="l1"), dtype=np.float32)


def lsa(corpus: Corpus, units: int, seed: int) -> tuple[Array, Array]:
    """Latent semantic analysis: scikit-learn's TruncatedSVD of the same rows; train and test codes."""
    from sklearn.decomposition import TruncatedSVD

    fitted = TruncatedSVD(units, random_state=seed).fit(corpus.train)
    return fitted.transform(corpus.train), fitted.transform(corpus.test)


def _units(corpus: Corpus) -> int:
    return 64 if corpus.train.shape[1] > 1000 else 4


def _encode(model: Autoencoder, rows: Any) -> Array:
    return codes(model, SparseRows.from_scipy(rows))


def _row(name: str, train: Any, test: Any, corpus: Corpus) -> Figures:
    """Precision by cosine: rows are brought to length 1 first."""
    precision = precision_at(_unit(train), corpus.train_topics, _unit(test), corpus.test_topics, K)
    return {"space": name, "numbers_a_document": train.shape[1], "precision_at_10": rounded(precision, 4)}


def _unit(rows: Any) -> Array:
    dense = np.asarray(rows if isinstance(rows, np.ndarray) else rows.toarray(), dtype=np.float32)
    return dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-12)  # type: ignore[no-any-return]


def _scatter(stage: Stage, corpus: Corpus, spaces: dict[str, Array]) -> None:
    """Codes of some test documents, laid out by t-SNE on the sphere, which both spaces get alike."""
    from sklearn.manifold import TSNE

    topics, names = _groups(stage)
    panels = []
    shown = _order(stage, corpus)[:SHOWN]
    for name, found in spaces.items():
        flat = TSNE(random_state=stage.seed, init="pca").fit_transform(_unit(found[shown]))
        panels.append(Codes(np.asarray(flat), topics[corpus.test_topics[shown]], f"{name} dimensions", "t-SNE axis"))
    title = f"Test documents: {stage.documents.source}"
    stage.save(plots.scatter(panels, names, title=title), "documents-topics")


def _order(stage: Stage, corpus: Corpus) -> Array:
    """The test documents in a random order: the file has them by topic."""
    return np.random.default_rng(stage.seed).permutation(corpus.test.shape[0])


def _groups(stage: Stage) -> tuple[Array, list[str]]:
    """The topic group of each topic, and the groups' names: comp, rec, sci, ... of 20 Newsgroups."""
    names = [topic.split(".")[0] for topic in stage.documents.topics]
    groups = list(dict.fromkeys(names))
    return np.array([groups.index(name) for name in names]), groups


def _query(stage: Stage, corpus: Corpus, train: Array, test: Array) -> Figures:
    """One test document's weightiest words, and those of its nearest train documents."""
    from recae.demos.measures import neighbours

    words, topics = np.array(stage.documents.vocabulary), stage.documents.topics
    lengths = np.diff(corpus.test.indptr)
    row = int(next(row for row in _order(stage, corpus) if lengths[row] >= min(60, lengths.max())))
    near = neighbours(_unit(train), _unit(test[row : row + 1]), 3)[0]
    found = [{"topic": topics[corpus.test_topics[row]], "words": _top(corpus.test, row, words)}]
    found += [{"topic": topics[corpus.train_topics[row]], "words": _top(corpus.train, int(row), words)} for row in near]
    stage.say(f"query: a document of {found[0]['topic']}: {found[0]['words']}")
    for rank, one in enumerate(found[1:], 1):
        stage.say(f"  nearest {rank}: {one['topic']}: {one['words']}")
    return {"document": found[0], "nearest": found[1:]}


def _top(rows: Any, row: int, words: Array, n: int = 8) -> str:
    start, stop = rows.indptr[row], rows.indptr[row + 1]
    order = np.argsort(-rows.data[start:stop], kind="stable")[:n]
    return " ".join(words[rows.indices[start:stop][order]])
