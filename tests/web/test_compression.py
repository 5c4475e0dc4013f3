"""Text travels compressed to whoever takes it, and pages never twice in the same length."""

from __future__ import annotations

import gzip

import pytest

from tests.web.conftest import Browser

GZIP = {"Accept-Encoding": "gzip, br"}


@pytest.mark.parametrize("path", ["/channels", "/static/css/components.css", "/static/img/mark.svg"])
def test_a_text_is_the_same_with_and_without(admin_client: Browser, path: str) -> None:
    plain, packed = admin_client.get(path), admin_client.get(path, headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in plain.headers["Vary"]
    if len(plain.data) < 500:
        assert packed.data == plain.data
        return
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) == int(packed.headers["Content-Length"]) < len(plain.data)
    if path.startswith("/static"):
        assert gzip.decompress(packed.data) == plain.data


def test_the_length_of_a_page_tells_nothing(client: Browser) -> None:
    lengths = {len(client.get("/first-administrator", headers=GZIP).data) for _ in range(12)}
    assert len(lengths) > 1


def test_a_file_that_the_reader_has_is_not_sent_again(client: Browser) -> None:
    path = "/static/css/components.css"
    first = client.get(path, headers=GZIP)
    again = client.get(path, headers=GZIP | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_answers_to_programs_stay_as_they_are(client: Browser) -> None:
    assert "Content-Encoding" not in client.get("/healthz", headers=GZIP).headers


def test_who_refuses_gzip_gets_none(client: Browser) -> None:
    answer = client.get("/static/css/components.css", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in answer.headers
