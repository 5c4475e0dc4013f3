"""Commands for operators: `flask --app app …`."""

from __future__ import annotations

import os
from pathlib import Path

import click
from flask import Flask, current_app

import schema
from errors import AppError
from extensions import db
from jobs.engine import Worker
from models import Role
from services import accounts, backups, instance, single_sign_on, vault
from services.clock import utcnow
from services.wording import say_error


def register(app: Flask) -> None:
    if os.environ.get("FLASK_RUN_FROM_CLI"):
        schema.register(app)  # for `flask db …`
    app.cli.add_command(worker)
    app.cli.add_command(create_admin)
    app.cli.add_command(reset_password)
    app.cli.add_command(allow_passwords)
    app.cli.add_command(setup_code)
    app.cli.add_command(reseal_secrets)
    app.cli.add_command(backup)
    app.cli.add_command(restore)


@click.command("create-admin")
@click.argument("username")
@click.option("--name", "real_name", default="", help="The person's name.")
@click.option("--organisation", default="", help="Name of the organisation, if this is the first account.")
@click.password_option(help="Asked for when left out.")
def create_admin(username: str, real_name: str, organisation: str, password: str) -> None:
    """Create an administrator of the default organisation, the first one or a further one."""
    now = utcnow()
    try:
        if accounts.is_empty():
            accounts.create_first_administrator(username, real_name, password, organisation=organisation, now=now)
        else:
            user = accounts.create(username, real_name, password, now=now)
            accounts.join(user, instance.default_tenant(now=now), Role.ADMIN, source="manual", now=now)
    except AppError as error:
        raise click.ClickException(" ".join(say_error(error)).strip()) from error
    db.session.commit()
    click.echo(f"{username} can sign in now.")


@click.command("reset-password")
@click.argument("username")
def reset_password(username: str) -> None:
    """Give somebody a one-time password, print it, and end the person's sessions."""
    user = accounts.find(username)
    if user is None:
        raise click.ClickException(f"Nobody is called {username}.")
    password = accounts.set_one_time_password(user)
    db.session.commit()
    click.echo(f"{password}\n{user.username} must change it at the first sign-in.")


@click.command("allow-passwords")
@click.argument("house_number")
def allow_passwords(house_number: str) -> None:
    """Let passwords open an organisation again that requires single sign-on: its identity provider is down."""
    try:
        tenant = single_sign_on.let_passwords_in(house_number)
    except AppError as error:
        raise click.ClickException(f"No organisation has the house number {house_number}.") from error
    db.session.commit()
    click.echo(f"Members of {tenant.name} can sign in with their passwords.")


@click.command("setup-code")
def setup_code() -> None:
    """Print what the page for the first administrator asks for."""
    if not accounts.is_empty():
        raise click.ClickException("This installation has an administrator already.")
    click.echo(instance.setup_code())


@click.command("reseal-secrets")
def reseal_secrets() -> None:
    """Encrypt every stored secret with the first of ENCRYPTION_KEYS, so that an older key can be taken away."""
    changed = vault.reseal_all()
    db.session.commit()
    click.echo(f"{changed} secrets are under the first key now.")


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Copy the whole database into FILE while everything runs. ENCRYPTION_KEYS are not in it: keep them elsewhere."""
    try:
        manifest = backups.write(file, now=utcnow())
    except backups.BackupFailed as failure:
        raise click.ClickException(str(failure)) from failure
    click.echo(f"{file}: {manifest.database} at revision {manifest.revision}, {file.stat().st_size:,} bytes.")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--force", is_flag=True, help="Also while a worker seems to run.")
@click.confirmation_option(prompt="Everything in the database is replaced. Go on?")
def restore(file: Path, *, force: bool) -> None:
    """Replace the whole database by the backup in FILE and bring it to this version's tables."""
    try:
        manifest = backups.restore(file, now=utcnow(), is_forced=force)
    except backups.BackupFailed as failure:
        raise click.ClickException(str(failure)) from failure
    db.engine.dispose()
    schema.upgrade()
    click.echo(
        f"Restored what was there at {manifest.made_at}. Messages that were due long ago wait for your decision."
    )


@click.command("worker")
def worker() -> None:
    """Send messages, update cards and run timers until told to stop. Any number of these may run."""
    Worker(current_app._get_current_object()).run()  # type: ignore[attr-defined]
