"""`python -m recae` is the command `recae`."""

from recae.cli import main

if __name__ == "__main__":
    main(prog_name="python -m recae")
