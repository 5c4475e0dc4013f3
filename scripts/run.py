"""Start the whole product as one command: web, worker and, for the demo, the simulated chat platform.

Every line that a program prints appears here under its name; one that crashes is started again; Ctrl-C ends all.

    PORT             the console, default 8000
    SIMULATOR_PORT   the simulator, default 9000
    DUTYBELL_HOME    the data folder, default var/
    DEMO             1 (default): simulator and demo data; 0: an empty instance, the real platforms
    HOST             the address to listen on, default 127.0.0.1
Every other setting of the product may be given too, in the environment or in a file .env.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
START_SECONDS = 60
STOP_SECONDS = 9
STEADY_SECONDS = 10
"""A program that ran this long was not failing from the start: its next restart is immediate again."""
MAX_PAUSE_SECONDS = 8
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CannotStart(Exception):
    """Something to tell the person at the keyboard, without a traceback."""


@dataclass
class Program:
    """A child process and how it is shown. health: a path that answers below 500 once it is ready, with its port."""

    name: str
    colour: int
    command: list[str]
    health: tuple[int, str] | None = None
    process: subprocess.Popen[str] | None = field(default=None, repr=False)
    started_at: float = 0.0
    pause_seconds: float = 0.0

    def start(self, env: dict[str, str]) -> None:
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=env,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C reaches this program alone, which then ends them in order
        )
        assert self.process.stdout is not None
        threading.Thread(target=self._relay, args=(self.process.stdout,), daemon=True).start()

    def signal(self, number: int) -> None:
        """Send a signal to the program and everything that it started."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass

    @property
    def exit_status(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def _relay(self, output: IO[str]) -> None:
        for line in output:
            say(line.rstrip("\n"), name=self.name, colour=self.colour)


def say(text: str, *, name: str = "dutybell", colour: int = 36) -> None:
    """One line under a program's name, in colour when a person is watching."""
    prefix = f"{name:>9} │ "
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
    try:
        print(prefix + text, flush=True)
    except OSError:  # the reader is gone (`make run | head`): go on, and above all end the programs properly
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115


def main() -> int:
    stopping = threading.Event()
    for number in ENDING_SIGNALS:
        signal.signal(number, lambda *_: stopping.set())
    try:
        env = environment()
        programs = list_programs(env)
        check_ports(env, programs)
        prepare(env)
    except CannotStart as problem:
        say(str(problem), colour=31)
        return 1
    try:
        start_all(programs, env, stopping)
        if not stopping.is_set():
            load_demo(env)
            greet(env)
        supervise(programs, env, stopping)
    except CannotStart as problem:
        say(str(problem), colour=31)
        return 1
    finally:
        stop(programs)
    return 0


# --- settings -----------------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    """The children's environment: what the person set, over .env, over what the demo needs."""
    given = {name: value for name, value in dotenv_values(ROOT / ".env").items() if value is not None} | os.environ
    port, simulator_port = port_of(given, "PORT", 8000), port_of(given, "SIMULATOR_PORT", 9000)
    host = given.get("HOST") or "127.0.0.1"
    defaults = {
        "PUBLIC_URL": f"http://localhost:{port}",
        "DUTYBELL_HOME": str(ROOT / "var"),
        "BIND": f"{host}:{port}",
        "DEMO": "1",
        "LOG_FORMAT": "console",
    }
    if given.get("DEMO", "1") == "1":
        simulator = f"http://localhost:{simulator_port}"
        defaults |= dict.fromkeys(("SIMULATOR_URL", "ENDPOINT_ALLOWLIST"), simulator)
        defaults |= {"EGRESS_IPS": "127.0.0.1"}
    env = defaults | given | {"PORT": str(port), "SIMULATOR_PORT": str(simulator_port)}
    env["DUTYBELL_HOME"] = str(Path(env["DUTYBELL_HOME"]).resolve())
    return env | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}


def write_down(env: dict[str, str]) -> None:
    """Keep what this start decided, so that `make demo-info` finds the running demo by its folder alone."""
    names = [name for name in env if name.endswith(("_BASE", "_URL")) and not name.startswith(("DATABASE", "REDIS"))]
    kept = {name: env[name] for name in (*names, "DEMO", "EGRESS_IPS", "ENDPOINT_ALLOWLIST") if name in env}
    Path(env["DUTYBELL_HOME"], "running.json").write_text(json.dumps(kept, indent=2))


def port_of(env: dict[str, str], name: str, default: int) -> int:
    value = env.get(name) or str(default)
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise CannotStart(f"{name} must be a port number from 1 to 65535, got {value!r}.")
    return int(value)


def is_demo(env: dict[str, str]) -> bool:
    return env["DEMO"] == "1"


def list_programs(env: dict[str, str]) -> list[Program]:
    port, simulator_port, home = int(env["PORT"]), int(env["SIMULATOR_PORT"]), Path(env["DUTYBELL_HOME"])
    web = Program("web", 32, [PYTHON, "-m", "gunicorn", "app:create_app()"], health=(port, "/healthz"))
    worker = Program("worker", 33, [PYTHON, "-m", "worker"])
    if not is_demo(env):
        return [web, worker]
    options = [
        "--port",
        str(simulator_port),
        "--state",
        str(home / "simulator.json"),
        "--product-url",
        env["PUBLIC_URL"],
    ]
    simulator = Program("simulator", 35, [PYTHON, "-m", "simulator", *options], health=(simulator_port, "/"))
    return [simulator, web, worker]


def check_ports(env: dict[str, str], programs: list[Program]) -> None:
    host = env["BIND"].rpartition(":")[0]
    for program in programs:
        if program.health is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, program.health[0]))
            except OSError as error:
                name = "SIMULATOR_PORT" if program.name == "simulator" else "PORT"
                raise CannotStart(
                    f"Port {program.health[0]} is in use ({error.strerror}). Is Dutybell running already? "
                    f"Choose another one: {name}={program.health[0] + 10} make run"
                ) from error


# --- starting and stopping ----------------------------------------------------------------------------------------


def prepare(env: dict[str, str]) -> None:
    """Compile the translations and bring the database to this version's tables."""
    Path(env["DUTYBELL_HOME"]).mkdir(parents=True, exist_ok=True)
    write_down(env)
    step([PYTHON, "scripts/translations.py", "compile"], env, "The translations could not be compiled.")
    step([PYTHON, "-m", "flask", "--app", "app", "db", "upgrade"], env, "The database could not be migrated.")


def load_demo(env: dict[str, str]) -> None:
    if is_demo(env):
        step([PYTHON, "-m", "demo", "load"], env, "The demo data could not be loaded.", shows_output=True)


def step(command: list[str], env: dict[str, str], failure: str, *, shows_output: bool = False) -> None:
    """Run a preparation to its end; show what it printed if it fails. Own session: Ctrl-C does not cut it in half."""
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, start_new_session=True)
    if shows_output and done.stdout:
        print(done.stdout, end="", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
        raise CannotStart(failure)


def start_all(programs: list[Program], env: dict[str, str], stopping: threading.Event) -> None:
    if stopping.is_set():
        return
    for program in programs:
        program.start(env)
    deadline = time.monotonic() + START_SECONDS
    for program in programs:
        while not stopping.is_set() and not is_healthy(program):
            if program.exit_status is not None:
                raise CannotStart(f"{program.name} ended with status {program.exit_status}; its lines above say why.")
            if time.monotonic() > deadline:
                raise CannotStart(f"{program.name} did not answer within {START_SECONDS} seconds.")
            stopping.wait(0.1)


def is_healthy(program: Program) -> bool:
    if program.health is None:
        return program.exit_status is None
    port, path = program.health
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


def supervise(programs: list[Program], env: dict[str, str], stopping: threading.Event) -> None:
    """Watch until told to end. A program that ends by itself is started again, at once first, then less eagerly."""
    while not stopping.wait(0.2):
        for program in programs:
            if program.exit_status is not None:
                restart(program, env, stopping)


def restart(program: Program, env: dict[str, str], stopping: threading.Event) -> None:
    was_steady = time.monotonic() - program.started_at > STEADY_SECONDS
    program.pause_seconds = 0 if was_steady else min(program.pause_seconds * 2 or 0.5, MAX_PAUSE_SECONDS)
    say(f"{program.name} ended with status {program.exit_status}; starting it again.", colour=31)
    program.signal(signal.SIGKILL)  # what it may have left behind
    if not stopping.wait(program.pause_seconds):
        program.start(env)


def stop(programs: list[Program]) -> None:
    """Ask every program to finish what it holds; after STOP_SECONDS end the rest the hard way."""
    running = [program for program in programs if program.process is not None]
    if running:
        say("Stopping …")
    for program in running:
        program.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while any(program.exit_status is None for program in running) and time.monotonic() < deadline:
        time.sleep(0.05)
    for program in running:
        if program.exit_status is None:
            say(f"{program.name} did not end in time; ending it.", colour=31)
        program.signal(signal.SIGKILL)
    for program in running:
        assert program.process is not None
        program.process.wait()
    if running:
        say("Stopped.")


# --- the greeting -------------------------------------------------------------------------------------------------


def greet(env: dict[str, str]) -> None:
    url = env["PUBLIC_URL"]
    lines = [f"控制台 Console    {url}"]
    if is_demo(env):
        told = subprocess.run([PYTHON, "-m", "demo", "greeting"], cwd=ROOT, env=env, capture_output=True, text=True)
        lines += told.stdout.splitlines()
    else:
        lines += [f"首位管理员 First administrator    {url}/first-administrator", *setup_code(env)]
    lines += ["", "Ctrl-C 结束全部程序 ends everything."]
    print("\n".join(["", *lines, ""]), flush=True)  # without prefixes, so that the curl line can be copied


def setup_code(env: dict[str, str]) -> list[str]:
    """What the page for the first administrator asks for; nothing once there is one."""
    told = subprocess.run(
        [PYTHON, "-m", "flask", "--app", "app", "setup-code"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    return [] if told.returncode else [f"安装码 Setup code    {told.stdout.splitlines()[-1]}"]


if __name__ == "__main__":
    sys.exit(main())
