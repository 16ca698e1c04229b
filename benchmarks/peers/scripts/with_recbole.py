"""RecBole. It reads its own files; its splitting is figures to leave all for training."""

from __future__ import annotations

import shutil
import time
from logging import CRITICAL, disable

import numpy as np
from _given import answer, repeated, rows, save_weights, timed
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender import EASE, MultiVAE
from recbole.model.sequential_recommender import GRU4Rec
from recbole.trainer import Trainer

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


if __name__ == "__main__":
    answer({"load": load, "vae-epoch": vae_epoch, "ease-fit": ease_fit, "gru4rec-epoch": gru4rec_epoch})
