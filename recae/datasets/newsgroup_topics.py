"""A small corpus generated from written-down topics: real English words, so that a topic can be read.

The model is latent Dirichlet allocation (Blei, Ng, Jordan 2003) with one main topic a document: 70 % of its topical
words come from the main topic and 30 % from a Dirichlet(0.2) mixture of all; two words of five are common ones. Within
a topic the word of rank r has weight 1 / (r + 3); a document has 40 to 160 words.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recae._types import Csr

COMMON = (
    "the and that this with have from they will would there their what about which when make like time just know "
    "people into year good some could them see other than then now look only come over think also back after use "
    "two how our work first well way even new want because any these give day most find here thing many"
)
TOPICS = {
    "space": "orbit launch moon shuttle satellite mission rocket planet lunar spacecraft nasa solar telescope "
    "astronaut mars gravity payload comet crew station engine venus probe atmosphere galaxy",
    "medicine": "patient doctor disease treatment drug health medical symptom infection cancer blood therapy diet "
    "clinical vaccine pain diagnosis hospital virus surgery dose allergy muscle chronic immune",
    "hockey": "team game goal season player playoff coach league puck goalie score win defenseman period ice penalty "
    "draft overtime fan shot rink winger trade captain cup",
    "motoring": "car engine brake tire mile driver speed clutch dealer road gear wheel fuel oil motor transmission "
    "highway bike helmet rider seat diesel mechanic garage throttle",
    "graphics": "image pixel file color format screen render software texture bitmap polygon display algorithm vector "
    "graphic shading mesh palette camera window resolution surface viewer compress animation",
    "cryptography": "key encryption cipher secret algorithm chip security privacy message decrypt protocol escrow "
    "password agency code attack random signature secure public block certificate trust channel wiretap",
    "religion": "god church faith belief bible christian prayer scripture soul truth heaven gospel sin prophet holy "
    "doctrine moral spirit worship atheist eternal grace verse miracle creed",
    "cooking": "recipe oven butter sugar garlic flour sauce dinner bake onion pepper kitchen salt bread cheese soup "
    "roast lemon tomato olive simmer chop dough spice taste",
}


def generated_corpus(
    n: int, rng: np.random.Generator
) -> tuple[Csr, npt.NDArray[np.int64], tuple[str, ...], tuple[str, ...]]:
    """Word counts (CSR float32, shape (n, n_words)), labels, vocabulary and topic names of `n` documents."""
    common, lists = COMMON.split(), [words.split() for words in TOPICS.values()]
    vocabulary = tuple(dict.fromkeys([*common, *(word for words in lists for word in words)]))
    column = {word: index for index, word in enumerate(vocabulary)}
    shares = np.zeros((len(lists) + 1, len(vocabulary)))  # of each word in each topic; the last row: common words
    for topic, words in enumerate([*lists, common]):
        shares[topic, [column[word] for word in words]] = 1 / (np.arange(len(words)) + 3.0)
    shares /= shares.sum(axis=1, keepdims=True)
    labels = rng.integers(0, len(lists), n)
    mixtures = 0.6 * (0.3 * rng.dirichlet(np.full(len(lists), 0.2), n) + 0.7 * np.eye(len(lists))[labels])
    words_of = np.column_stack([mixtures, np.full(n, 0.4)]) @ shares
    counts = rng.multinomial(rng.integers(40, 161, n), words_of / words_of.sum(axis=1, keepdims=True))
    rows = sparse.csr_array(counts.astype(np.float32))
    return rows, labels.astype(np.int64), vocabulary, tuple(TOPICS)
