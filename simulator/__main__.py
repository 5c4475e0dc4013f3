"""`python -m simulator --host 127.0.0.1 --port 5080 --state var/simulator.json --product-url http://localhost:5000`"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from types import FrameType

from simulator.app import create_app
from simulator.server import bind


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM, then save the state. Port 0 takes any; the address is printed."""
    options = _options(arguments)
    app = create_app(options.state, product_url=options.product_url)
    try:
        server = bind(app, options.host, options.port)
    except (OSError, SystemExit) as error:
        print(f"simulator: cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 1

    def stop(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    name = "localhost" if options.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else options.host  # noqa: S104
    print(f"simulator: listening on http://{name}:{server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.1)
    app.extensions["simulator_store"].close()
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description="A stand-in for the chat platforms.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5080)
    parser.add_argument("--state", default=None, help="JSON file that keeps the state; without it nothing is kept")
    parser.add_argument("--product-url", default="", help="origin of the product, e.g. http://localhost:5000")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
