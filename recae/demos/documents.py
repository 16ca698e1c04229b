"""Bags of words to codes: the sparse rows of the recommender, with words for items."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from recae import plots
from recae._types import Array
from recae.demos.measures import by_rank, codes, neighbours, precision_at, rounded
from recae.demos.stage import Figures, Stage
from recae.errors import DataError
from recae.nn import Autoencoder, Dropout
from recae.plots import Codes
from recae.sparse import SparseRows
from recae.training import Reconstruction, RowBatches

K, SHOWN = 10, 2000
FOUND = 5  # documents that answer a query
QUERY = {  # of 20 Newsgroups, and of the generated corpus, each in the words of one of its topics
    True: "goalie scored a goal in the playoff game", False: "recipe with butter, garlic and cheese from the oven",
}  # fmt: skip


def look(figures: Figures) -> str:
    """What is to be seen."""
    words, by_lsa, ours = figures["spaces"]
    query, two = figures["query"], figures["two_units"]
    ahead = " (the code is ahead)" if ours["precision_at_10"] > by_lsa["precision_at_10"] else ""
    sharing = sum(bool(one["shared"]) for one in query["nearest"])
    left = len(query["nearest"]) - sharing
    verb = "was" if left == 1 else "were"
    return (
        "A document is a sparse row, as a user is, and the same kernels read it; no topic is shown. Of a test "
        f"document's ten nearest train documents by code {ours['precision_at_10']:.3f} are of its topic; by LSA with "
        f"as many dimensions, which a linear autoencoder would find, {by_lsa['precision_at_10']:.3f}{ahead}; by all "
        f"words {words['precision_at_10']:.3f}. In two units neighbours are of the topic group "
        f"{two['group_precision_at_10']:.2f} of the time, by chance {two['chance']:.2f}. The query "
        f'"{query["text"]}" finds {len(query["nearest"])} documents, of which {sharing} share a word with it'
        f"{f'; the other {left} {verb} found by the code alone' if left else ''}."
    )


class Corpus(NamedTuple):
    """tf-idf rows, L2-normalised, CSR float32 (n, words), and topics (n,)."""

    train: Any
    train_topics: Array
    test: Any
    test_topics: Array


def run(stage: Stage) -> Figures:
    asked = _asked(stage)  # first: a query of unknown words is told before anything is learnt
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
    two = _two_units(stage, corpus)
    answer = _answer(stage, corpus, asked, model, spaces[f"autoencoder, {units}"][0])
    return {"data": stage.documents.source, "spaces": rows, "two_units": two, "query": answer}


def weights(stage: Stage) -> Any:
    """scikit-learn's sublinear tf-idf weights, worked out on the train documents."""
    from sklearn.feature_extraction.text import TfidfTransformer

    fit = TfidfTransformer(sublinear_tf=True).fit
    return stage.once("tf-idf", lambda: fit(stage.documents.train_rows))


def weighted(stage: Stage) -> Corpus:
    """The documents with tf-idf weights; empty ones are left out."""
    documents = stage.documents
    parts: list[Any] = []
    for rows, topics in (
        (documents.train_rows, documents.train_labels),
        (documents.test_rows, documents.test_labels),
    ):
        kept = np.flatnonzero(np.diff(rows.indptr) > 0)
        parts += [sparse.csr_array(weights(stage).transform(rows[kept]), dtype=np.float32), topics[kept]]
    return Corpus(*parts)


def autoencoder(stage: Stage, corpus: Corpus, units: int) -> Autoencoder:
    """words-units-words with dropout on the words read, under the multinomial loss; two units behind a wider layer."""
    small = corpus.train.shape[0] < 5000
    wide = [corpus.train.shape[1], *((16 if small else 128,) if units == 2 else ()), units]
    model = stage.network(wide, activations="tanh", noise=Dropout(0.5))
    rows = SparseRows.from_scipy(corpus.train)
    target = SparseRows.from_scipy(shares(corpus.train))
    epochs, lr = (40, 2e-3) if small else (20, 4e-3)
    trainer = stage.trainer("documents", epochs, lr=lr, kernels=True)
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


def _two_units(stage: Stage, corpus: Corpus) -> Figures:
    """Documents in two numbers, by LSA and by an autoencoder, coloured by topic group; how pure neighbourhoods are."""
    groups, names = _groups(stage)
    model = stage.once("documents, 2", lambda: autoencoder(stage, corpus, 2))
    train, test = _encode(model, corpus.train), _encode(model, corpus.test)
    of_train, of_test = groups[corpus.train_topics], groups[corpus.test_topics]
    shown = _order(stage, corpus)[:SHOWN]
    panels = [
        Codes(by_rank(lsa(corpus, 2, stage.seed)[1][shown]), of_test[shown], "LSA, 2", "rank in dimension"),
        Codes(by_rank(test[shown]), of_test[shown], "autoencoder, 2 units", "rank in code unit"),
    ]
    title = f"Test documents in two numbers: {stage.documents.source}"
    stage.save(plots.scatter(panels, names, title=title), "documents-two")
    share = np.bincount(of_train, minlength=len(names)) / len(of_train)
    return {
        "group_precision_at_10": rounded(precision_at(train, of_train, test, of_test, K), 4),
        "chance": rounded(float(share[of_test].mean()), 4),
    }  # fmt: skip


def _asked(stage: Stage) -> tuple[str, Any]:
    """The query in words, and as a row (1, words) of how often it has each word.

    Raises:
        DataError: the documents use none of its words.
    """
    documents = stage.documents
    text = stage.query or QUERY["20 Newsgroups" in documents.source and "not here" not in documents.source]
    row = asked_row(documents.vocabulary, text)
    if row.nnz == 0:
        raise DataError(
            f"none of the words of the query {text!r} is among the {len(documents.vocabulary):,} that the documents use"
        )
    return text, row


def _answer(stage: Stage, corpus: Corpus, query: tuple[str, Any], model: Autoencoder, train: Array) -> Figures:
    """The train documents nearest to a query, with the words that they share with it."""
    documents, (text, asked) = stage.documents, query
    row = sparse.csr_array(weights(stage).transform(asked), dtype=np.float32)
    near = neighbours(_unit(train), _unit(_encode(model, row)), FOUND)[0]
    words = np.array(documents.vocabulary)
    known = set(asked.indices.tolist())
    stage.say(f"query: {text} (known words: {' '.join(words[sorted(known)])})")
    found = []
    for rank, place in enumerate(near.tolist(), 1):
        theirs = set(corpus.train.indices[corpus.train.indptr[place] : corpus.train.indptr[place + 1]].tolist())
        found.append(
            {
                "topic": documents.topics[corpus.train_topics[place]],
                "shared": " ".join(words[sorted(known & theirs)]), "words": _top(corpus.train, place, words),
            }
        )  # fmt: skip
        stage.say(f"  {rank}. {found[-1]['topic']}: {found[-1]['words']} (shared: {found[-1]['shared'] or 'no word'})")
    return {"text": text, "known_words": " ".join(words[sorted(known)]), "nearest": found}


def asked_row(vocabulary: tuple[str, ...], text: str) -> Any:
    """Counts of the query's words, CSR float32 (1, words); without unknown words and little ones."""
    from sklearn.feature_extraction.text import CountVectorizer

    counted = CountVectorizer(stop_words="english", vocabulary={word: place for place, word in enumerate(vocabulary)})
    return sparse.csr_array(counted.transform([text]), dtype=np.float32)


def _top(rows: Any, row: int, words: Array, n: int = 8) -> str:
    start, stop = rows.indptr[row], rows.indptr[row + 1]
    order = np.argsort(-rows.data[start:stop], kind="stable")[:n]
    return " ".join(words[rows.indices[start:stop][order]])
