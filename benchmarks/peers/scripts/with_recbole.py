"""RecBole. It reads its own files; its splitting is figures to leave all for training."""

from __future__ import annotations

import shutil
import time
from logging import CRITICAL, disable

import numpy as np
import torch
from _given import answer, asked_events, latest_items, repeated, rows, save_weights, stopped_by_validation, timed
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender import EASE, MultiVAE
from recbole.model.sequential_recommender import GRU4Rec, SASRec
from recbole.trainer import Trainer

SEQUENTIAL = {"GRU4Rec": GRU4Rec, "SASRec": SASRec}

HEADER = "user_id:token,item_id:token,rating:float,timestamp:float"


def config_of(model, folder, **more):
    disable(CRITICAL)
    return Config(
        model=model, dataset="peers",
        config_dict={
            "data_path": str(folder), "use_gpu": False, "show_progress": False, "train_neg_sample_args": None,
            "field_separator": ",", "load_col": {"inter": ["user_id", "item_id"]}, "save_dataset": False,
            "eval_args": {"split": {"RS": [1, 0, 0]}, "group_by": "user", "order": "RO", "mode": "full"},
            "checkpoint_dir": str(folder / "saved"), "seed": 0, **more,
        },
    )  # fmt: skip


def written(out, lines, header):
    """Its file, peers/peers.inter."""
    (out / "peers").mkdir(exist_ok=True)
    with open(out / "peers" / "peers.inter", "w") as file:
        file.write(header + "\n")
        if isinstance(lines, list):
            file.write("\n".join(lines) + "\n")
        else:
            with open(lines) as source:
                next(source)
                shutil.copyfileobj(source, file)


def load(data, out, settings):
    written(out, data / f"{settings['method']}.csv", HEADER)
    config = config_of(MultiVAE, out, load_col={"inter": ["user_id", "item_id", "rating", "timestamp"]})
    figures, dataset = repeated(lambda: create_dataset(config), settings)
    (out / "peers" / "peers.inter").unlink()
    return {**figures, "found": [dataset.user_num - 1, dataset.item_num - 1, dataset.inter_num]}  # one is padding


def liked(data, out, model, **more):
    users, items = rows(data, "train").nonzero()
    written(out, [f"{user},{item}" for user, item in zip(users, items)], "user_id:token,item_id:token")
    config = config_of(model, out, **more)
    return config, create_dataset(config)


def vae_epoch(data, out, settings):
    vae = settings["vae"]
    config, dataset = liked(
        data, out, MultiVAE, mlp_hidden_dimension=[vae["hidden"]], latent_dimension=vae["latent"],
        dropout_prob=vae["dropout"], anneal_cap=vae["beta"], total_anneal_steps=vae["anneal_steps"],
        learning_rate=vae["lr"], train_batch_size=vae["batch_size"],
    )  # fmt: skip
    batches = data_preparation(config, dataset)[0]
    trainer = Trainer(config, MultiVAE(config, batches.dataset))
    seconds = [timed(lambda: trainer._train_epoch(batches, 0))[0] for _ in range(settings["epochs"] + 1)]
    return {"seconds": seconds[1:], "first_seconds": seconds[0]}


def ease_fit(data, out, settings):
    config, dataset = liked(data, out, EASE, reg_weight=settings["l2"])
    train = data_preparation(config, dataset)[0].dataset
    figures, model = repeated(lambda: EASE(config, train), settings)
    order = train.token2id("item_id", [str(item) for item in range(rows(data, "train").shape[1])])
    save_weights(out, np.asarray(model.item_similarity), settings, order)
    return figures


def gru4rec_epoch(data, out, settings):
    """Epochs of its GRU4Rec; each session is one of its users, as it knows no sessions within a user's history.

    Processor seconds, which other work on the machine changes little.
    """
    header = "user_id:token,item_id:token,timestamp:float"
    written(out, data / "sessions.csv", header)
    config = config_of(
        GRU4Rec, out, load_col={"inter": ["user_id", "item_id", "timestamp"]}, loss_type="CE",
        embedding_size=settings["hidden"], hidden_size=settings["hidden"], num_layers=1, dropout_prob=0.2,
        MAX_ITEM_LIST_LENGTH=settings["longest"], learning_rate=3e-3, train_batch_size=2048,
        eval_args={"split": {"RS": [1, 0, 0]}, "group_by": "user", "order": "TO", "mode": "full"},
    )  # fmt: skip
    batches = data_preparation(config, create_dataset(config))[0]
    trainer, seconds = Trainer(config, GRU4Rec(config, batches.dataset)), []
    for epoch in range(settings["epochs"]):
        start = time.process_time()
        trainer._train_epoch(batches, epoch)
        seconds.append(time.process_time() - start)
    return {"seconds": seconds, "sequences": len(batches.dataset)}


def next_item(data, out, settings):
    """One of its sequential models by its own settings, stopped by validation, and its scores of the test events.

    It trains on a sequence for each event but a user's first, of the user's 50 latest events, as it does by itself.
    """
    header = "user_id:token,item_id:token,timestamp:float"
    written(out, data / "train.csv", header)
    config = config_of(
        settings["method"], out, load_col={"inter": ["user_id", "item_id", "timestamp"]},
        eval_args={"split": {"RS": [1, 0, 0]}, "group_by": "user", "order": "TO", "mode": "full"},
    )  # fmt: skip
    batches = data_preparation(config, create_dataset(config))[0]
    model = SEQUENTIAL[settings["method"]](config, batches.dataset)
    trainer = Trainer(config, model)
    known = {
        int(token): number for token, number in batches.dataset.field2token_id["item_id"].items() if token != "[PAD]"
    }
    asked = asked_events(data)
    column = np.array([known.get(item, -1) for item in range(settings["items"])])

    def score(some):
        return scores_of(model, asked, some, column)

    figures = stopped_by_validation(model, lambda epoch: trainer._train_epoch(batches, epoch), score, asked, settings)
    np.save(out / "scores.npy", score(asked["test"]))
    return figures


def scores_of(model, asked, some, column):
    """Scores of all items for the events `some`, from the user's 50 latest events before; -inf for unknown items."""
    model.eval()
    longest, found = 50, []
    for part in np.array_split(some, max(1, len(some) // 512)):
        rows = latest_items(asked, part, column, longest)
        sequences = torch.zeros(len(part), longest, dtype=torch.long)
        for row, sequence in zip(rows, sequences):
            sequence[: len(row)] = torch.from_numpy(row)
        lengths = torch.tensor([max(1, len(row)) for row in rows])
        with torch.no_grad():
            all_scores = model.full_sort_predict({model.ITEM_SEQ: sequences, model.ITEM_SEQ_LEN: lengths})
        all_scores = all_scores.view(len(part), -1).numpy()
        found.append(np.where(column >= 0, all_scores[:, np.maximum(column, 0)], -np.inf).astype(np.float32))
    return np.concatenate(found)


if __name__ == "__main__":
    answer({
        "load": load, "vae-epoch": vae_epoch, "ease-fit": ease_fit, "gru4rec-epoch": gru4rec_epoch,
        "next-item": next_item,
    })  # fmt: skip
