"""What the product is measured against, on the same machine and in the same minutes.

A bare Flask application (bare_flask.py) under the same server with the same durability, and the real Alertmanager,
as a distribution packages it.
"""

from __future__ import annotations

import shutil
import sys

from bench.processes import Program, clean_environment
from bench.stage import Stage
from tests.private_servers import free_port

ALERTMANAGER = "prometheus-alertmanager"


def bare_flask(stage: Stage) -> Program:
    """The bare application under the product's own server settings, not started."""
    folder, port = stage.new_folder("bare"), free_port()
    database = stage.new_database("bare", "CREATE TABLE rows (id bigserial PRIMARY KEY, body text)") or str(folder)
    shape = stage.shape
    env = clean_environment() | {"BIND": f"127.0.0.1:{port}"}
    env |= {"WEB_PROCESSES": str(shape.web_processes), "WEB_THREADS": str(shape.web_threads)}
    target = f"bench.bare_flask:create_app({database!r})"
    return Program("bare Flask", [sys.executable, "-m", "gunicorn", target], folder / "log", env, port)


# --- Alertmanager -------------------------------------------------------------------------------------------------

CONFIGURATION = """\
global:
  resolve_timeout: 5m
route:
  receiver: wecom
  group_by: {group_by}
  group_wait: 1s
  group_interval: 10s
  repeat_interval: 1h
receivers:
  - name: wecom
    wechat_configs:
      - api_url: {url}/cgi-bin/
        corp_id: alertmanager
        api_secret: none
        agent_id: "1000002"
        to_user: "@all"
"""


class NotInstalled(Exception):
    """A yardstick that is not on this machine; the message says how to get it."""


EACH_ALONE, BY_NAME = "['...']", "[alertname]"
"""How Alertmanager groups: a message for every alert, which is the work that the product does; one for many."""


def alertmanager(stage: Stage, group_by: str = EACH_ALONE) -> Program:
    """A new Alertmanager with an empty store that sends to the fake platform, not started. Raises NotInstalled."""
    program = shutil.which(ALERTMANAGER)
    if program is None:
        raise NotInstalled(f"{ALERTMANAGER} is not installed: apt-get install {ALERTMANAGER}")
    folder, port = stage.new_folder("alertmanager"), free_port()
    (folder / "alertmanager.yml").write_text(CONFIGURATION.format(url=stage.fake.url, group_by=group_by))
    command = [
        program,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    return Program("Alertmanager", command, folder / "log", clean_environment(), port)
