"""Recurrent networks over sessions: against plain PyTorch event by event, and nothing of the future is read."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import recae
from recae.errors import DataError, ParameterError
from recae.events.cutting import sessions
from recae.events.session_events import Sessions
from recae.models.sessions import event_contributions as contributions
from recae.models.sessions.event_contributions import event_contributions
from recae.models.sessions.next_item_losses import CELLS, bpr, full_softmax, sampled_softmax, top1
from recae.models.sessions.packed_gru import packed_gru
from recae.models.sessions.session_model import sessions_of_new
from recae.models.sessions.session_network import NextItemNetwork, RatingNetwork, SessionNetwork
from recae.models.sessions.session_packing import pack, rating_levels, time_levels
from recae.models.sessions.session_ratings import SessionRatingRNN
from recae.models.sessions.session_rnn import SessionRNN
from recae.recommender import frames
from recae.training import Batch

CPU = torch.device("cpu")
HIERARCHIES = ("none", "init", "all")
HEADS = {"next-item": SessionRNN, "rating": SessionRatingRNN}
each_hierarchy = pytest.mark.parametrize("hierarchy", HIERARCHIES)
each_attention = pytest.mark.parametrize("attention", [False, True])
each_head = pytest.mark.parametrize("head", HEADS)


def ratings(seed: int = 0, users: int = 9, items: int = 14) -> recae.RatingMatrix:
    """Users with 1 to 14 ratings, in sessions that begin after an hour; whole and half stars."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        moment = int(rng.integers(0, 10**6))
        for item in rng.permutation(items)[: 1 + int(rng.integers(items))]:
            moment += int(rng.choice([5, 60, 4000, 90_000]))
            rows.append((f"u{user}", f"i{item:02d}", float(rng.integers(1, 11)) / 2, moment))
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    return recae.RatingMatrix.from_frame(frame, timestamp="timestamp", scale=(0.5, 5.0))


def with_tables(data: recae.RatingMatrix) -> recae.RatingMatrix:
    """Items of two genres, and users of two groups and any age, which nothing but the tables says."""
    items = pd.DataFrame({"genre": ["a", "b"] * (data.n_items // 2)}, index=data.item_ids)
    group = np.where(np.arange(data.n_users) % 2, "x", "y")
    age = np.random.default_rng(1).integers(20, 60, data.n_users)
    users = pd.DataFrame({"group": group, "age": age}, index=data.user_ids)
    return dataclasses.replace(data, item_table=items, user_table=users)


def network(kind: type[SessionNetwork], hierarchy: str, attention: bool, n_items: int = 14) -> SessionNetwork:
    torch.manual_seed(3)
    n_about = 3 if attention else 0
    net = kind(
        n_items, 6, hierarchy, attention=attention, reads_ratings=True, reads_times=True, dropout=0.0, n_about=n_about
    )
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.4)
    return net.eval()


# ---------------------------------------------------------------- the recurrence


def attended(attention, states: list[torch.Tensor]) -> torch.Tensor:
    scores = torch.stack([(torch.tanh(attention.inner(s)) * attention.query).sum() for s in states])
    return attention.outer((torch.softmax(scores, 0)[:, None] * torch.stack(states)).sum(0))


def event_by_event(
    net: SessionNetwork, events: Sessions, left: np.ndarray, about: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """States before each event and after a user's last one, with GRU cells written out."""

    def cell(gru, x, h):
        r, z = (
            torch.sigmoid(gru.weight_ih[k] @ x + gru.bias_ih[k] + gru.weight_hh[k] @ h + gru.bias_hh[k])
            for k in (slice(0, 6), slice(6, 12))
        )
        k = slice(12, 18)
        n = torch.tanh(gru.weight_ih[k] @ x + gru.bias_ih[k] + r * (gru.weight_hh[k] @ h + gru.bias_hh[k]))
        return (1 - z) * n + z * h

    class Cell:
        weight_ih, weight_hh = net.events.weight_ih_l0, net.events.weight_hh_l0
        bias_ih, bias_hh = net.events.bias_ih_l0, net.events.bias_hh_l0

    level, when = rating_levels(events), time_levels(events)

    def start(c: torch.Tensor, past: list[torch.Tensor], told: torch.Tensor) -> torch.Tensor:
        if net.hierarchy == "none":
            return torch.tanh(told)
        seen = c + attended(net.over_sessions, past) if net.over_sessions is not None and past else c
        return torch.tanh(net.start(seen) + told)

    before, starts = [], []
    for user in range(events.n_users):
        c, past = torch.zeros(6), []
        told = torch.zeros(6) if net.about is None else net.about.weight @ torch.from_numpy(about[user])
        for session in range(events.user_starts[user], events.user_starts[user + 1]):
            s, states = start(c, past, told), []
            known = s
            for e in range(events.session_starts[session], events.session_starts[session + 1]):
                before.append(known)
                x = net.items.weight[events.items[e]] + net.ratings.weight[level[e]] + net.times.weight[when[e]]
                if net.left is not None:
                    x = x + net.left.weight[:, 0] * float(left[e])
                if net.hierarchy == "all":
                    x = x + net.user_input.weight @ c
                x = x + told
                s = cell(Cell, x, s)
                states.append(s)
                known = s if net.over_events is None else s + attended(net.over_events, states)
            if net.hierarchy != "none":
                c = cell(net.user, s, c)
                past.append(c)
        starts.append(start(c, past, told))
    return torch.stack(before), torch.stack(starts)


@each_hierarchy
@each_attention
@pytest.mark.parametrize("kind", [NextItemNetwork, RatingNetwork])
def test_states_are_those_of_plain_pytorch(kind, hierarchy: str, attention: bool) -> None:
    """Packed by levels, states before each event and at a next session's start are those of a loop over events.

    Networks with attention read features of users here, too.
    """
    events = sessions(ratings())
    net = network(kind, hierarchy, attention)
    left = np.random.default_rng(1).normal(size=events.n_events).astype(np.float32)
    about = np.random.default_rng(2).normal(size=(9, 3)).astype(np.float32)
    packed = pack(events, np.arange(9), by_depth=hierarchy != "none", device=CPU, left=left, about=about)
    found = net(packed)
    before, starts = event_by_event(net, events, left, about)
    torch.testing.assert_close(found.before, before[torch.from_numpy(packed.order)], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.start, starts, atol=1e-5, rtol=1e-5)
    assert sorted(packed.order) == list(range(events.n_events))


def test_without_hierarchy_it_is_a_gru() -> None:
    """On one session, states after each event are those of torch.nn.GRU over the same inputs."""
    data = recae.RatingMatrix.from_columns([7] * 6, [4, 1, 3, 0, 2, 5], np.linspace(1, 5, 6), np.arange(6) * 10)
    events = sessions(data)
    net = network(NextItemNetwork, "none", attention=False, n_items=6)
    packed = pack(events, np.arange(1), by_depth=False, device=CPU)
    expected, _ = net.events(net.inputs(packed)[:, None])
    torch.testing.assert_close(net(packed).after, expected[:, 0], atol=1e-6, rtol=1e-6)


def test_gradients_of_the_recurrence() -> None:
    """The backward pass written here agrees with finite differences, and with PyTorch's own on packed sequences."""
    events = sessions(ratings())
    level = pack(events, np.arange(9), by_depth=False, device=CPU).levels[0]
    gru = nn.GRU(3, 3).double()
    inputs = torch.randn(len(level.previous), 3, dtype=torch.float64, requires_grad=True)
    start = torch.randn(len(level.rows), 3, dtype=torch.float64, requires_grad=True)
    given = [inputs, start, *gru.parameters()]
    wanted = torch.randn(len(inputs), 3, dtype=torch.float64)
    packed = nn.utils.rnn.PackedSequence(inputs, level.sizes)
    expected = torch.autograd.grad((gru(packed, start[None])[0].data * wanted).sum(), given)
    found = torch.autograd.grad((packed_gru(gru, inputs, start, level) * wanted).sum(), given)
    for a, b in zip(found, expected):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-8)
    few = pack(events, np.arange(2), by_depth=False, device=CPU).levels[0]
    x = torch.randn(len(few.previous), 3, dtype=torch.float64, requires_grad=True)
    h = torch.randn(len(few.rows), 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, h: packed_gru(gru, x, h, few), (x, h))


# ---------------------------------------------------------------- nothing of the future


def small(head: str, hierarchy: str, attention: bool = False, **more):
    return HEADS[head](**{"hierarchy": hierarchy, "attention": attention, "hidden": 6, "epochs": 2, "batch_size": 4,
                          "device": "cpu", **more})  # fmt: skip


def with_another_future(events: Sessions, user: int, known: int) -> Sessions:
    """The same sessions where all events of `user` after the first `known` ones have other items, ratings and times.

    The event asked for, right after these, keeps its item and its moment; its rating is the answer.
    """
    rng = np.random.default_rng(known)
    items, values, times = events.items.copy(), events.values.copy(), events.times.copy()
    asked, stop = events.event_starts[user] + known, events.event_starts[user + 1]
    later = slice(asked + 1, stop)
    items[later] = rng.integers(0, events.ratings.n_items, len(items[later]))
    values[asked:stop] = rng.integers(1, 11, stop - asked) / 2
    times[later] += 7
    return Sessions(events.ratings, items, values, times, events.session_starts, events.user_starts)


def answer(model, events: Sessions, at: int) -> tuple[np.ndarray, list[torch.Tensor]]:
    """What is predicted of the event at the position `at`, and the gradients of a loss there."""
    net = model.network_
    packed = model._packed(events, np.arange(events.n_users), CPU)
    place = int(np.flatnonzero(packed.order == at)[0])
    state = net(packed).before[place : place + 1]
    if isinstance(net, NextItemNetwork):
        out = net.logits(state)
        loss = out.logsumexp(1).sum() - out[0, 3]
    else:
        out = packed.base[place] + net.left_over(state, torch.tensor([int(events.items[at])]))
        loss = (out - 3.0).square().sum()
    gradients = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    return out.detach().numpy(), [g for g in gradients if g is not None]


@each_head
@each_hierarchy
@each_attention
def test_nothing_of_the_future_is_read(head: str, hierarchy: str, attention: bool) -> None:
    """With all later events of the user changed, each prediction and each gradient is the same, bit for bit.

    Networks with attention read the tables of users and items here, too.
    """
    data = with_tables(ratings())
    model = small(head, hierarchy, attention, features="both" if attention else "none").fit(data)
    events = model.sessions_
    for user in (1, 4, 7):
        for known in range(int(np.diff(events.event_starts)[user])):
            at = int(events.event_starts[user]) + known
            there, gradients = answer(model, events, at)
            here, others = answer(model, with_another_future(events, user, known), at)
            np.testing.assert_array_equal(there, here)
            assert all(torch.equal(a, b) for a, b in zip(gradients, others, strict=True))


@each_head
@each_hierarchy
def test_a_prediction_is_that_of_the_past_alone(head: str, hierarchy: str) -> None:
    """What is predicted within a history is what is predicted at its end, when only the past is known."""
    model = small(head, hierarchy, attention=True).fit(ratings())
    events = model.sessions_
    stops = np.arange(events.n_events)
    whole = model.scores_before(events, events.users, stops)
    for at in range(0, events.n_events, 5):
        user = int(events.users[at])
        past = events.select((events.users != user) | (stops < at))
        opens = at in events.session_starts
        state = model._states_before(past, np.array([user]), past.event_starts[[user + 1]], np.array([opens]))
        expected = model._states_before(events, np.array([user]), np.array([at]))
        torch.testing.assert_close(state, expected, atol=1e-5, rtol=1e-5)
        if not opens:
            alone = model.scores_before(past, np.array([user]), past.event_starts[[user + 1]])
            np.testing.assert_allclose(alone[0], whole[at], atol=1e-4)


# ---------------------------------------------------------------- losses


def test_losses_by_hand() -> None:
    """Cross-entropy in parts is PyTorch's; TOP1, BPR and the sampled softmax are their formulas."""
    torch.manual_seed(0)
    net = NextItemNetwork(5, 4, "none", attention=False, reads_ratings=False, reads_times=False, dropout=0.0)
    n = CELLS // 5 + 10
    states, targets = torch.randn(n, 4), torch.randint(5, (n,))
    expected = nn.functional.cross_entropy(net.logits(states), targets)
    torch.testing.assert_close(full_softmax(net, states, targets), expected, rtol=1e-4, atol=1e-4)
    _gradients_are_pytorchs(net, states.requires_grad_(), targets)
    own, others = torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    same = torch.tensor([[False, True], [False, False]])

    def sigma(x: float) -> float:
        return float(torch.sigmoid(torch.tensor(x)))

    by_top1 = ((sigma(-1) + sigma(0)) + ((sigma(2) + sigma(4)) + (sigma(0) + sigma(0))) / 2) / 2
    assert float(top1(own, others, same)) == pytest.approx(by_top1)
    by_bpr = -(np.log(sigma(1)) + (np.log(sigma(-2)) + np.log(sigma(0))) / 2) / 2
    assert float(bpr(own, others, same)) == pytest.approx(by_bpr)
    by_sample = (np.log(np.exp(1) + 1) - 1 + np.log(1 + np.exp(2) + 1)) / 2
    assert float(sampled_softmax(own, others, same)) == pytest.approx(by_sample)


def _gradients_are_pytorchs(net: NextItemNetwork, states: torch.Tensor, targets: torch.Tensor) -> None:
    """The gradient of a multiple of the loss, by states, vectors and biases, is what PyTorch's own loss gives."""
    of = (states, net.items.weight, net.bias)
    found = torch.autograd.grad(3 * full_softmax(net, states, targets), of)
    expected = torch.autograd.grad(3 * nn.functional.cross_entropy(net.logits(states), targets), of)
    for one, other in zip(found, expected):
        assert float((one - other).abs().max()) < 1e-4 * float(other.abs().max())


@pytest.mark.parametrize("loss", ["softmax", "top1", "bpr"])
def test_what_always_follows_is_learnt(loss: str) -> None:
    """Where each item is followed by the next one of a ring, that one is listed first after a few epochs."""
    users, steps, n = 40, 8, 12
    items = (np.arange(users)[:, None] + np.arange(steps)) % n
    data = recae.RatingMatrix.from_columns(
        np.repeat(np.arange(users), steps), items.ravel(), np.ones(users * steps),
        np.tile(np.arange(steps) * 60, users) + np.repeat(np.arange(users), steps) * 10**5,
    )  # fmt: skip
    model = SessionRNN(hidden=16, epochs=60, lr=0.02, batch_size=10, loss=loss, device="cpu", dropout=0.0).fit(data)
    found = model.recommend(data.user_ids, n=1)
    assert (found["item"].to_numpy() == (np.arange(users) + steps) % n).mean() > 0.9


def test_tastes_are_learnt_from_ratings() -> None:
    """Where two groups of users like opposite films, ratings of those not rated yet are foretold from the first few."""
    rng = np.random.default_rng(0)
    users, films = 200, 16
    group = np.arange(users) % 2
    order = np.stack([rng.permutation(films)[:10] for _ in range(users)])
    liked = (order % 2) == group[:, None]
    stars = np.where(liked, rng.integers(4, 6, order.shape), rng.integers(1, 3, order.shape)).astype(float)
    times = (
        np.tile(np.arange(10) * 600 + (np.arange(10) >= 5) * 86_400, users) + np.repeat(np.arange(users), 10) * 10**6
    )
    data = recae.RatingMatrix.from_columns(np.repeat(np.arange(users), 10), order.ravel(), stars.ravel(), times)
    model = SessionRatingRNN(hidden=16, epochs=30, lr=0.01, batch_size=20, device="cpu").fit(data)
    everybody = np.repeat(np.arange(users), films), np.tile(np.arange(films), users)
    unseen = data.user_rows.toarray().ravel() == 0
    predicted = model.predict_pairs(*everybody)[unseen]
    likes = ((everybody[1] % 2) == group[everybody[0]])[unseen]
    assert predicted[likes].mean() > 4.0
    assert predicted[~likes].mean() < 2.0


# ---------------------------------------------------------------- use


@each_head
def test_a_training_resumes_exactly(head: str, tmp_path) -> None:
    """Stopped after an epoch and resumed, the weights are those of a training without a stop."""
    data = ratings(users=30)
    parts = recae.split_sessions(sessions(data), "time", test=0.1, validation=0.2)
    settings = {"epochs": 3, "dropout": 0.3}
    whole = small(head, "all", **settings).fit(parts.train, parts.validation)
    path, steps = tmp_path / "state", []

    class Lost(Exception):
        """Ends a training between two steps, as a kill does."""

    first = small(head, "all", **settings)
    objective = first._objective

    def until_lost(net, batch):
        steps.append(1)
        if len(steps) > 11:
            raise Lost
        return objective(net, batch)

    first._objective = until_lost
    with pytest.raises(Lost):
        first.fit(parts.train, parts.validation, checkpoint=path, checkpoint_seconds=0.0)
    resumed = small(head, "all", **settings)
    resumed.fit(parts.train, parts.validation, checkpoint=path, checkpoint_seconds=0.0, resume=True)
    assert [r["epoch"] for r in resumed.history_.records] == [1, 2, 3]
    for a, b in zip(whole.network_.parameters(), resumed.network_.parameters()):
        assert torch.equal(a, b)


@each_head
@each_hierarchy
def test_files_and_unseen_users(head: str, hierarchy: str, tmp_path) -> None:
    """A file gives the same model; a stranger with a known user's events gets that user's list and ratings."""
    data = ratings()
    model = small(head, hierarchy, attention=True).fit(data)
    again = recae.load_model(model.save(tmp_path / "m.recae"))
    everybody = np.arange(data.n_users)
    np.testing.assert_array_equal(again.score_users(everybody), model.score_users(everybody))
    frame = data.to_frame()
    own = frame[frame["user"] == data.user_ids[3]].assign(user="new")
    known = model.recommend(data.user_ids[3], n=5, filter_seen=False)
    new = again.recommend_new(own, n=5, filter_seen=False)
    assert new["item"].tolist() == known["item"].tolist()
    if head == "rating":
        moment = int(np.median(own["timestamp"]))
        pairs = pd.DataFrame({"user": "new", "item": data.item_ids, "timestamp": moment})
        asked = model.predict(data.user_ids[3], data.item_ids, timestamps=moment)
        np.testing.assert_allclose(again.predict_new(own, pairs), asked, atol=1e-5)
        past = again.predict_new(own[own["timestamp"] < moment], pairs)
        np.testing.assert_allclose(past, asked, atol=1e-5)
        with pytest.raises(ParameterError, match="timestamps"):
            model.predict(data.user_ids[3], data.item_ids, timestamps=[1, 2, 3])


@each_hierarchy
def test_predicting_events_is_predicting_at_their_moments(hierarchy: str) -> None:
    """`predict_events` and `predict(timestamps=...)` agree, for events that share their moment with others, too."""
    frame = ratings().to_frame()
    frame["timestamp"] //= 4000  # sittings of one moment, and of some
    frame["timestamp"] *= 4000
    data = recae.RatingMatrix.from_frame(frame, timestamp="timestamp", scale=(0.5, 5.0))
    model = small("rating", hierarchy).fit(data)
    events = model.sessions_
    assert 0 < np.mean(events.moment_starts() < np.arange(events.n_events)) < 1
    found = model.predict_pairs(events.users, events.items.astype(np.int64), events.times)
    np.testing.assert_allclose(found, model.predict_events(events), atol=1e-5)


@each_head
def test_no_times_are_refused(head: str) -> None:
    """Ratings without timestamps, or a validation part without, are refused in words."""
    data = ratings()
    bare = data.with_rows(data.user_rows)
    with pytest.raises(DataError, match="no timestamps"):
        small(head, "init").fit(bare)
    with pytest.raises(DataError, match="no timestamps"):
        small(head, "init").fit(data, bare)


@each_head
def test_a_long_session(head: str) -> None:
    """A session of 3,000 events among short ones is learnt from in one step."""
    rng = np.random.default_rng(0)
    users = np.concatenate([np.zeros(3000, int), np.repeat(np.arange(1, 20), 5)])
    frame = pd.DataFrame({
        "user": users, "item": np.concatenate([np.arange(3000), rng.integers(0, 3000, 95)]),
        "rating": rng.integers(1, 6, len(users)) * 1.0, "timestamp": np.arange(len(users)),
    }).drop_duplicates(["user", "item"])  # fmt: skip
    data = recae.RatingMatrix.from_frame(frame, timestamp="timestamp")
    model = small(head, "init", epochs=1, batch_size=20).fit(data)
    assert np.isfinite(model.score_users(np.arange(3))).all()


# ---------------------------------------------------------------- explanations


@each_head
@each_hierarchy
def test_an_event_is_explained_by_leaving_it_out(head: str, hierarchy: str) -> None:
    """A contribution is what the score loses when the user's file lacks that row; a stranger's are the same."""
    data = ratings()
    model = small(head, hierarchy, attention=True).fit(data)
    user, item = data.user_ids[4], data.item_ids[3]
    frame = recae.explain(model, user, item)
    own = data.to_frame().query("user == @user").sort_values("timestamp", ignore_index=True)

    def score(rows: pd.DataFrame) -> float:
        events = sessions_of_new(frames.new_users(rows, model), 1800)
        return float(model.scores_before(events, np.array([0]), events.event_starts[1:])[0, 3])

    assert frame.attrs["score"] == pytest.approx(score(own), abs=1e-5)
    assert sorted(frame["timestamp"]) == own["timestamp"].tolist()
    middle = own["timestamp"].iloc[-2]  # the last session goes on without it
    lost = score(own) - score(own[own["timestamp"] != middle])
    assert frame.set_index("timestamp").loc[middle, "contribution"] == pytest.approx(lost, abs=1e-5)
    stranger = recae.explain(model, own.drop(columns="user"), item)
    pd.testing.assert_frame_equal(stranger, frame, atol=1e-5)
    bare = recae.explain(model, own.drop(columns=["user", "timestamp"]), item)
    assert set(bare["session"]) == {1}
    assert "timestamp" not in bare


@pytest.mark.parametrize("model", [
    recae.Markov(decay=0.7, gap=120.0), recae.VSKNN(k=5), small("next-item", "all", attention=True),
    small("rating", "init"), small("rating", "none", output="ordinal"),
])  # fmt: skip
def test_what_an_explanation_costs_is_bounded(model, monkeypatch) -> None:
    """Few copies at a time give the same; of too long a history the latest events are left out, in full histories."""
    data = ratings()
    model.fit(data)
    events, users, items = model.sessions_, np.arange(9), np.array([11, 3])
    stops = events.event_starts[1:]
    few = model.item_scores_before(events, users, stops, items)
    np.testing.assert_allclose(few, model.scores_before(events, users, stops)[:, items], atol=1e-5)
    user = int(np.argmax(np.diff(events.event_starts)))
    n = int(np.diff(events.event_starts)[user])
    whole = event_contributions(model, events, user, items)
    copies: list[int] = []
    score = type(model).item_scores_before

    def counted(self, some, *asked):
        copies.append(some.n_events)
        return score(self, some, *asked)

    monkeypatch.setattr(type(model), "item_scores_before", counted)
    monkeypatch.setattr(contributions, "AT_ONCE", 2 * n)
    monkeypatch.setattr(contributions, "IN_ALL", 5 * n)
    latest = event_contributions(model, events, user, items)
    assert max(copies) <= 2 * n
    assert sum(copies) <= 6 * n
    assert latest[2].shape == (2, 5)
    np.testing.assert_allclose(latest[2], whole[2][:, -5:], atol=1e-5)
    frame = recae.explain(model, data.user_ids[user], data.item_ids[3])
    assert sorted(frame["timestamp"]) == sorted(events.times[stops[user] - 5 : stops[user]])
    np.testing.assert_allclose(frame.sort_values("timestamp")["contribution"], latest[2][1], atol=1e-5)


@each_hierarchy
def test_attention_is_shown(hierarchy: str) -> None:
    """Weights are the softmax of the scores of plain PyTorch: of the last session's events, and of sessions before."""
    data = ratings()
    model = small("next-item", hierarchy, attention=True).fit(data)
    net, events, user = model.network_, model.sessions_, 4
    first, stop = events.user_starts[user : user + 2]
    found = model.attention_of(events, user)
    c, past, of_sessions = torch.zeros(1, 6), [], []
    level, when = (found(events).astype(np.int64) for found in (rating_levels, time_levels))
    for session in range(first, stop):
        a, b = events.session_starts[session : session + 2]
        at = np.arange(a, b)
        x = net.items.weight[events.items[at]] + net.ratings.weight[level[at]] + net.times.weight[when[at]]
        if hierarchy == "all":
            x = x + net.user_input(c)
        seen = c if not past else c + attended(net.over_sessions, past)
        start = torch.zeros(1, 6) if hierarchy == "none" else torch.tanh(net.start(seen))
        states = net.events(x[:, None], start[None])[0][:, 0]
        if hierarchy != "none":
            c = net.user(states[-1:], c)
            past.append(c[0])
            of_sessions.append((torch.tanh(net.over_sessions.inner(c)) * net.over_sessions.query).sum().item())
    scores = (torch.tanh(net.over_events.inner(states)) * net.over_events.query).sum(1)
    weights = found["event_attention"]
    np.testing.assert_allclose(weights[-len(at) :], torch.softmax(scores, 0).detach(), atol=1e-6)
    assert np.isnan(weights[: -len(at)]).all()
    assert stop - first > 1
    if hierarchy == "none":
        assert "session_attention" not in found
        return
    expected = np.exp(of_sessions[:-1]) / np.exp(of_sessions[:-1]).sum()
    lengths = np.diff(events.session_starts[first:stop])
    np.testing.assert_allclose(found["session_attention"][: -len(at)], np.repeat(expected, lengths), atol=1e-6)
    assert "event_attention" in recae.explain(model, data.user_ids[user], data.item_ids[0])
    assert model.set_params(attention=False).attention_of(events, user) == {}


# ---------------------------------------------------------------- features and ordered levels


@each_head
def test_features_are_added_to_items(head: str, tmp_path) -> None:
    """Items of one genre have one vector more in common, a file keeps it, and without features nothing is added."""
    data = with_tables(ratings(users=30))
    model = small(head, "init", features="item", lr=0.02).fit(data)
    added = model.item_vectors() - model.network_.items.weight.detach().numpy()
    assert np.abs(added).max() > 0.01
    np.testing.assert_allclose(added[::2], np.broadcast_to(added[0], added[::2].shape), atol=1e-6)
    np.testing.assert_allclose(added[0], -added[1], atol=1e-6)  # columns are taken less their mean
    again = recae.load_model(model.save(tmp_path / "m.recae"))
    np.testing.assert_array_equal(again.score_users(np.arange(9)), model.score_users(np.arange(9)))
    plain = small(head, "init", lr=0.02).fit(data)
    np.testing.assert_array_equal(plain.item_vectors(), plain.network_.items.weight.detach().numpy())


def test_levels_are_learnt(tmp_path) -> None:
    """The loss is that of cumulative logits by hand, no epoch gives the biases, and all ways of asking agree."""
    data = ratings(users=30)
    model = small("rating", "init", output="ordinal").fit(data)
    events, net = model.sessions_, model.network_
    packed = model._packed(events, np.arange(30), CPU)
    net.eval()
    loss = model._objective(net, Batch(packed, packed.items)).item()
    with torch.no_grad():
        score = net.score(packed.base, net.left_over(net(packed).before, packed.items)).double()
    edges = net.head.thresholds().double()
    level = np.searchsorted(net.head.levels.numpy(), events.values[packed.order])
    chance = torch.sigmoid(edges[level + 1] - score) - torch.sigmoid(edges[level] - score)
    assert loss == pytest.approx(-chance.log().mean().item(), abs=1e-4)
    probability = net.head.probabilities(score.float())
    expected = (probability @ net.head.levels).detach().numpy()
    single = events.moment_starts() == np.arange(events.n_events)
    found = model.predict_events(events)
    np.testing.assert_allclose(found[packed.order][single[packed.order]], expected[single[packed.order]], atol=1e-4)
    asked = model.predict_pairs(events.users, events.items.astype(np.int64), events.times)
    np.testing.assert_allclose(asked, found, atol=1e-5)
    again = recae.load_model(model.save(tmp_path / "m.recae"))
    np.testing.assert_array_equal(again.score_users(np.arange(9)), model.score_users(np.arange(9)))
    listed = model.score_users(np.array([3]))[0]
    own = model.predict_pairs(np.full(data.n_items, 3), np.arange(data.n_items))
    np.testing.assert_allclose(np.clip(listed, *data.scale), own, atol=1e-4)
    untrained = small("rating", "init", output="ordinal", epochs=0).fit(data).predict_events(events)
    biases = small("rating", "init", epochs=0).fit(data).predict_events(events)
    inside = np.clip(biases, 0.5 + 0.02 * 4.5, 5 - 0.02 * 4.5)
    np.testing.assert_allclose(untrained, inside, atol=5e-3)


def test_last_sessions_find_how_many_epochs_are_best() -> None:
    """Without a validation part a first training is stopped by users' last sessions, and all is learnt for as long."""
    data = ratings(users=40, items=30)
    split = recae.split_sessions(recae.sessions(data), validation=False)
    small = {"hidden": 6, "epochs": 6, "patience": 2, "lr": 0.03, "device": "cpu"}
    wanted = SessionRNN(**small).fit(split.train, split.test).history_.best_epoch
    found = SessionRNN(**small).fit(data)
    plain = SessionRNN(**{**small, "epochs": wanted}, own_part=False).fit(data)
    assert wanted < 6
    assert len(found.history_) == wanted
    for one, other in zip(found._arrays().values(), plain._arrays().values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(SessionRNN(**small, gap=1e9).fit(data).history_) == 6  # one session a user
