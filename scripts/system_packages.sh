#!/bin/sh
# Install what the tests use beside Python packages: a browser, the two servers of the production shape, Alertmanager
# (a real sender of alerts) and a Chinese font. Asks nothing and does nothing when all of it is there.
set -eu

server_of() { # the newest PostgreSQL's initdb, which Debian keeps outside PATH
    command -v initdb 2>/dev/null || ls -d /usr/lib/postgresql/*/bin/initdb /opt/homebrew/opt/postgresql*/bin/initdb \
        /usr/local/opt/postgresql*/bin/initdb 2>/dev/null | sort -V | tail -n 1
}

missing=""
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
[ -n "$(server_of)" ] || missing="$missing postgresql"
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v prometheus-alertmanager >/dev/null || command -v alertmanager >/dev/null || missing="$missing prometheus-alertmanager"

if [ "$(uname)" = Darwin ]; then
    [ -z "$missing" ] || {
        echo "The tests need more than is installed here ($missing ). With Homebrew:"
        echo "    brew install postgresql@16 redis alertmanager && brew install --cask chromium"
    }
    exit 0
fi
command -v apt-get >/dev/null || {
    [ -z "$missing" ] || echo "The tests need more than is installed here; install with your package manager:$missing"
    exit 0
}
[ -n "$(ls -d /usr/share/fonts/*/noto/*CJK* 2>/dev/null)" ] || missing="$missing fonts-noto-cjk"
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "The tests need more than is installed here. As root: apt-get install$missing"
        exit 0
    }
    as_root=sudo
fi
echo "Installing for the tests:$missing"

# The packages are here for their programs: keep Debian from starting the servers as services of this machine.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod +x "$policy"
    trap '$as_root rm -f "$policy"' EXIT
fi
$as_root apt-get update -qq
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
