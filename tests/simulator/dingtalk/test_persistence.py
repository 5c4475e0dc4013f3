"""What the simulated DingTalk remembers over a restart."""

from dataclasses import asdict

from simulator.app import create_app
from tests.simulator.dingtalk.conftest import CLIENT


def test_everything_is_there_after_a_restart(wired, product, tmp_path):
    wired.control("dingtalk/sign_in", {"client_id": CLIENT, "person": "lin"})
    wired.control("dingtalk/limits", {"qps": 7})
    wired.send_card(privateData={"lin": {"cardParamMap": {"notice": "x"}}})
    product.answer = lambda press: {"cardData": {"cardParamMap": {"footer": "y"}}}
    wired.press()
    store, path = wired.app.extensions["simulator_store"], tmp_path / "state.json"
    store.path = path
    store.save()
    before = wired.app.extensions["simulator"].platforms["dingtalk"].state
    after = create_app(path).extensions["simulator"].platforms["dingtalk"].state
    assert asdict(after) == asdict(before)
    assert after.cards["inc-1024"].seen_by("lin")["footer"] == "y"
