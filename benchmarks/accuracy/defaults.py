"""Every model with its defaults on every kind of data, beside the biases and popularity.

\b
    python -m benchmarks.accuracy.defaults                            # everything: hours
    python -m benchmarks.accuracy.defaults --task rating --data filmtrust --model u-autorec
    python -m benchmarks.accuracy.defaults --missing                  # only what the tables lack
    python -m benchmarks.accuracy.defaults --part validation          # a part of train, to choose defaults on

Nothing is tuned: `make_model(NAME, rng=seed).fit(train)`. Rating models are measured by RMSE on ratings hidden at
random, and on users that they did not learn from; rankers by Recall@20 and NDCG@20 on a fifth of each user's entries.
The difference to the baseline (the biases; popularity) comes with its standard error over the hidden ratings (over the
test users), paired. Each fit runs in a process of its own. Rows are written when they are done, a file a task, and
several runs may go on side by side.
"""

from __future__ import annotations

import ast
import json
from functools import partial
from itertools import product
from typing import Any

import click
import numpy as np

from benchmarks.accuracy import default_data, default_peers
from benchmarks.accuracy.default_data import RANKED, RATED, UNSEEN
from benchmarks.common.child_processes import run_module
from benchmarks.common.record import commit, peak_mb, read, write
from benchmarks.common.timing import timed

Row = dict[str, Any]
SEEDS = {"filmtrust": 5, "ml-1m-5%": 2, UNSEEN: 10}
BASELINES = {"rating": "bias", "ranking": "popularity", "unseen": "bias"}
NOT_MEASURED = {"global-mean", "blend"}  # the mean; what is made of other models and needs to be told which
PARTS = ("test", "validation")


def models(task: str) -> list[str]:
    """Names of the models that a task is for, the baseline first and Surprise's last."""
    from recae.models import MODELS

    rate = task != "ranking"
    names = [name for name, entry in MODELS.items() if entry.model_class.predicts_ratings == rate or name == "auto"]
    names = [name for name in names if not MODELS[name].model_class.reads_dates]  # which few of the sets have
    ours = sorted(set(names) - NOT_MEASURED, key=lambda name: (name != BASELINES[task], names.index(name)))
    return ours + (list(default_peers.METHODS) if task == "rating" else [])


def one_fit(task: str, data: str, name: str, seed: int, part: str = "test") -> Row:
    """Figures of one fit beside the baseline's: the mean difference of each hidden rating or user, and its error.

    `name` may be followed by settings: "biased-mf l2=0.1 prior=10".
    """
    import time

    import recae

    parts = default_data.split(data, task, seed, part)
    baseline = recae.make_model(BASELINES[task]).fit(parts.train)
    if name in default_peers.METHODS:
        predicted, seconds = default_peers.predicted(name, parts)
        return {"seed": seed, **beside(predicted, answers(baseline, parts), parts), "seconds": seconds, "cpu": seconds}
    name, *settings = name.split()
    model: Any = recae.make_model(name, **{one[: one.index("=")]: literal(one) for one in settings})
    if "rng" in model.get_params():
        model.set_params(rng=seed)
    if name == "auto":
        model.set_params(task="rankings" if task == "ranking" else "ratings")
    cpu = time.process_time()
    seconds, _ = timed(lambda: model.fit(parts.train, progress=False))
    cpu = time.process_time() - cpu
    measure = ranking_figures if task == "ranking" else rating_figures
    chosen = {"chosen": taken(model.choice_)} if name == "auto" else {}
    figures = measure(getattr(model, "model_", model), baseline, parts)
    return {"seed": seed, **figures, **chosen, "seconds": seconds, "cpu": cpu, "peak_mb": peak_mb()}


def taken(choice: Any) -> str:
    """The model that `auto` takes, as `--one` reads it; it chooses its own settings, as `auto` found them."""
    members = [one["model"] for one in choice.params.get("members", ())]
    return f"{choice.name} members={members}".replace(", ", ",") if members else str(choice.name)


def rating_figures(model: Any, baseline: Any, parts: Any) -> Row:
    """Figures of both models' predictions."""
    return beside(answers(model, parts), answers(baseline, parts), parts)


def answers(model: Any, parts: Any) -> Any:
    """Predictions of the test ratings, (n,); of users who were not learnt from, by what they show."""
    users, items, _ = parts.test.pairs()
    if parts.test_input is not None:
        return model.predict_pairs_new(parts.test_input.user_rows, users, items)
    dates = {"timestamps": parts.test.timestamps} if model.reads_dates else {}
    return model.predict_pairs(users, items, **dates)


def beside(predicted: Any, simple: Any, parts: Any) -> Row:
    """RMSE, that of the biases, and the mean difference of squared errors with its standard error."""
    truth = parts.test.pairs()[2]
    own, baseline = (np.square(values.astype(np.float64) - truth) for values in (predicted, simple))
    figures = {"rmse": float(np.sqrt(own.mean())), "baseline": float(np.sqrt(baseline.mean()))}
    return {**figures, **difference(own - baseline)}


def ranking_figures(model: Any, baseline: Any, parts: Any) -> Row:
    """Recall@20 and NDCG@20, popularity's recall, and the mean difference of users' recall with its standard error."""
    import recae

    own, simple = (recae.evaluate(one, parts, ["recall@20", "ndcg@20"]) for one in (model, baseline))
    by_user = own.per_user["recall@20"] - simple.per_user["recall@20"]
    figures = {"recall@20": own["recall@20"], "ndcg@20": own["ndcg@20"], "baseline": simple["recall@20"]}
    return {**figures, **difference(by_user)}


def literal(setting: str) -> Any:
    """The value of "name=value": a Python literal, else the text itself."""
    text = setting[setting.index("=") + 1 :]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def difference(values: Any) -> Row:
    """Mean of paired differences, and its standard error."""
    return {"difference": float(np.mean(values)), "error": float(np.std(values, ddof=1) / np.sqrt(len(values)))}


@click.command(help=__doc__)
@click.option("--task", "tasks", multiple=True, type=click.Choice(list(BASELINES)), default=list(BASELINES))
@click.option("--data", "wanted", multiple=True, help="Only these data sets.")
@click.option("--model", "names", multiple=True, help="Only these models.")
@click.option("--set", "settings", multiple=True, help="name=value: not the default, but this; the row's name says so.")
@click.option("--seeds", type=int, help="Splits of each set; by default 1 (filmtrust 5, unseen users 10).")
@click.option("--missing", is_flag=True, help="Only what the table lacks.")
@click.option("--part", type=click.Choice(PARTS), default=PARTS[0], show_default=True, help="validation: of train.")
@click.option("--out", help="Name of the result files; the task is added.  [default: defaults, defaults-validation]")
@click.option("--one", hidden=True, nargs=4)
def main(
    tasks: tuple[str, ...], wanted: tuple[str, ...], names: tuple[str, ...], seeds: int | None, missing: bool,
    settings: tuple[str, ...], part: str, out: str | None, one: tuple[str, str, str, str] | None,
) -> None:  # fmt: skip
    if one is not None:
        click.echo(json.dumps(one_fit(one[0], one[1], one[2], int(one[3]), part)))
        return
    out = out or ("defaults" if part == PARTS[0] else f"defaults-{part}")
    sets: dict[str, Any] = {"rating": list(RATED), "ranking": RANKED, "unseen": [UNSEEN]}
    known(wanted, [data for task in tasks for data in sets[task]], "--data")
    known(names, [name for task in tasks for name in models(task)], "--model")
    for task in tasks:
        for data, name in product(sets[task], models(task)):
            if (wanted and data not in wanted) or (names and name not in names):
                continue
            name = " ".join((name, *settings))
            if missing and (task, data, name) in stored(out, task):
                continue
            fits = [in_a_process(part, task, data, name, seed) for seed in range(seeds or SEEDS.get(data, 1))]
            found = summary(task, data, name, fits)
            click.echo(in_words(found))
            table = {**stored(out, task), (task, data, name): found}  # read now: another process may have written
            write(f"{out}-{task}", {"rows": list(table.values())})


def stored(out: str, task: str) -> dict[tuple[str, str, str], Row]:
    """The rows of a result file by task, data and model."""
    rows = read(f"{out}-{task}", {"rows": []})["rows"]
    return {(row["task"], row["data"], row["model"]): row for row in rows}


def in_a_process(part: str, task: str, data: str, name: str, seed: int) -> Row:
    """Figures of one fit, made in a process of its own; of `auto`, CPU seconds of what it takes alone, too."""
    run = partial(run_module, "benchmarks.accuracy.defaults", "--part", part, "--one", task, data)
    found: Row = run(name, seed)
    return {**found, "alone_cpu": run(found["chosen"], seed)["cpu"]} if "chosen" in found else found


def known(wanted: tuple[str, ...], names: list[str], option: str) -> None:
    """Refuse what is none of `names`, which would measure nothing without a word."""
    for name in wanted:
        if name not in names:
            raise click.BadParameter(f"{name!r}: choose some of {', '.join(dict.fromkeys(names))}", param_hint=option)


def summary(task: str, data: str, name: str, fits: list[Row]) -> Row:
    """Means over the seeds; the standard error of the mean difference, seeds taken as independent."""
    keys = ("rmse", "recall@20", "ndcg@20", "baseline", "difference", "seconds", "cpu")
    means = {key: float(np.mean([fit[key] for fit in fits])) for key in keys if key in fits[0]}
    error = float(np.sqrt(np.sum(np.square([fit["error"] for fit in fits]))) / len(fits))
    peak = max(fit.get("peak_mb", 0.0) for fit in fits)
    about = {"task": task, "data": data, "model": name, "commit": commit()}
    return {**about, **means, "error": error, "peak_mb": peak, "fits": fits}


def is_worse(row: Row) -> bool:
    """Whether a row is worse than the baseline by more than one standard error."""
    sign = -1 if row["task"] == "ranking" else 1
    return bool(sign * row["difference"] > row["error"])


def in_words(row: Row) -> str:
    """One line for the terminal."""
    own = row["rmse"] if "rmse" in row else row["recall@20"]
    verdict = "WORSE" if is_worse(row) else ""
    return (
        f"{row['data']:<22} {row['model']:<14} {own:8.4f}  baseline {row['baseline']:8.4f}  "
        f"{row['seconds']:6.1f} s  cpu {row['cpu']:6.1f} s  {verdict}"
    )


if __name__ == "__main__":
    main()
