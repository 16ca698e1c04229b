"""`recae serve`."""

from __future__ import annotations

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand

_EXAMPLES = """\b
Examples:
  recae serve m.recae                          then open http://127.0.0.1:8000
  recae serve m.recae --host 0.0.0.0 --port 80 --workers 4 --no-page
  curl -d '{"events": [{"item": 260, "rating": 5}], "n": 5}' \\
       -H 'Content-Type: application/json' http://127.0.0.1:8000/recommend
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Serve lists over HTTP, with a page.")
@click.argument("model", type=click.Path())
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on; 0: a free one."
)
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes; each holds the model."
)
@click.option("--page/--no-page", default=True, help="Whether there is a page at /.  [default: page]")
@click.option("--allow-reload", is_flag=True, help="Let POST /reload read the model file at once.")
@click.option(
    "--watch",
    "watch_seconds",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two looks at the model file, whose new content takes over; 0: never.",
)
@options.device
@options.loudness
def serve(
    model: str,
    host: str,
    port: int,
    workers: int,
    page: bool,
    allow_reload: bool,
    watch_seconds: float,
    device: str | None,
) -> None:
    """Answer HTTP requests with MODEL: lists, ratings, similar items, explanations, and a page to try them.

    There is no access control: whoever reaches the address can ask for every known user's list. Other machines reach it
    only with --host; docs/serving.md shows it behind nginx.

    stderr has the log: a new model, one that is refused, and with -v each request.
    """
    from recae.cli.options import note, verbosity
    from recae.cli.own_models import imported
    from recae.serving.processes import ServeSettings, serve

    settings = ServeSettings(
        model, host, port, workers, device, page, allow_reload, watch_seconds, access_log=verbosity() > 0,
        modules=tuple(imported), quiet=verbosity() < 0,
    )  # fmt: skip
    serve(settings, lambda address: note(f"{model} is served at {address} (Ctrl-C stops it)"))
