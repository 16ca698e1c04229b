"""`recae info` and `recae card`: what a model file says of its model, from its header; nothing heavy is imported."""

from __future__ import annotations

from typing import Any

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand

_EXAMPLES = """\b
Examples:
  recae info m.recae
  recae info m.recae --json
"""
_CARD_EXAMPLES = """\b
Examples:
  recae card m.recae
  recae card m.recae --out MODEL_CARD.md
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Show what is in a model file.")
@click.argument("model", type=click.Path())
@options.as_json
@options.loudness
def info(model: str, as_json: bool) -> None:
    """Show what MODEL is: settings, data, split and figures at training, versions. Its arrays are not read.

    'recae check' reads a file whole.
    """
    from recae.cli.printing import print_facts, print_json
    from recae.recommender.model_card import facts_of

    facts = facts_of(model)
    print_json(facts) if as_json else print_facts(shown(facts))


def shown(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts as lines for people."""
    from recae.recommender.model_card import settings_lines, words

    data, training = facts["data"], facts["training"] or {}
    figures = {name: f"{value:.4f}" for name, value in training.get("figures", {}).items()}
    return {
        "file": f"{facts['file']} ({facts['bytes'] / 1e6:.1f} MB)",
        "model": f"{training['model']} ({facts['class']})" if "model" in training else facts["class"],
        "gives": facts["gives"],
        "data": data["name"],
        "users": "none: it was saved without ratings, and serves new users only" if facts["lean"] else data["n_users"],
        "items": data["n_items"],
        "ratings": data["n_ratings"],
        "scale": " to ".join(f"{end:g}" for end in data["scale"]),
        "dates": " to ".join(day for day in data.get("days", []) if day),
        "split": words(training.get("split")),
        "figures": words(figures) if figures else None,
        "saved": facts["saved"],
        "versions": words(facts["versions"]) if facts["versions"] else None,
        "fingerprint": facts["fingerprint"],
        **{f"  {name}": line for name, line in settings_lines(facts).items()},
    }


@click.command(cls=RecaeCommand, epilog=_CARD_EXAMPLES, short_help="Write a model card in Markdown.")
@click.argument("model", type=click.Path())
@click.option("-o", "--out", type=click.Path(), metavar="FILE", help="Write the card to this file.  [default: stdout]")
@options.loudness
def card(model: str, out: str | None) -> None:
    """Write the model card of MODEL: what it is, from which data, how it was measured, and its limits."""
    from recae.cli.console import echo
    from recae.cli.options import note
    from recae.cli.outputs import check_writable, write_text
    from recae.recommender.model_card import card as markdown
    from recae.recommender.model_card import facts_of

    check_writable(out, inputs=(model,))
    facts = facts_of(model)
    text = markdown(facts, (facts["training"] or {}).get("model"))
    if out is None:
        echo(text.rstrip())
        return
    write_text(out, text)
    note(f"The card is in {out}.")
