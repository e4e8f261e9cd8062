"""``portfolio kite``: the broker's log-in."""

from __future__ import annotations

import typer

app = typer.Typer(name="kite", help="Zerodha Kite: log in.", no_args_is_help=True)


@app.command()
def login() -> None:
    """Shows where to log in; bring the request token that Kite returns to `kite session`."""
    from producers.kite.session import login_url

    typer.echo(f"Log in at {login_url()}\nthen: ./portfolio kite session REQUEST_TOKEN")


@app.command()
def session(request_token: str) -> None:
    """Takes the request token of a log-in; feed workers that wait for it go on at once."""
    from producers.kite.session import start_session

    typer.echo(f"Logged in as {start_session(request_token)}; the feed goes on by itself.")
