"""Runs in .venv-oracles: answers one JSON line for each JSON line, with dingtalk-stream's cards and callbacks.

Its functions note what went wrong in their log and go on; so what they were answered is kept here, and given back.
"""

from __future__ import annotations

from typing import Any

import requests
from answering import serve
from dingtalk_stream import Credential, DingTalkStreamClient, card_replier, stream
from dingtalk_stream.card_callback import CardCallbackMessage
from dingtalk_stream.chatbot import ChatbotMessage

GROUP, PERSON = "2", "1"


def replier(call: dict[str, Any]) -> card_replier.CardReplier:
    """One that answers somebody, in a group or alone, at any host."""
    for module in (card_replier, stream):
        module.DINGTALK_OPENAPI_ENDPOINT = call["api_base"]
    client = DingTalkStreamClient(Credential(call["client_id"], call["client_secret"]))
    incoming = ChatbotMessage()
    incoming.conversation_type = GROUP if call.get("group") else PERSON
    incoming.conversation_id, incoming.sender_staff_id = call.get("group"), call.get("person")
    return card_replier.CardReplier(client, incoming)


def deliver(call: dict[str, Any]) -> dict[str, Any]:
    """Create and deliver a card with a callback over HTTP."""
    made = replier(call)
    with_answers: list[Any] = []
    reference = _watched(
        with_answers,
        lambda: made.create_and_deliver_card(
            call["template_id"],
            call["variables"],
            callback_type="HTTP",
            callback_route_key=call["route_key"],
        ),
    )
    return {"reference": reference, "answers": with_answers}


def update(call: dict[str, Any]) -> dict[str, Any]:
    """Change variables of a card for everybody; the others stay."""
    made = replier(call)
    with_answers: list[Any] = []
    options = {"updateCardDataByKey": True}
    _watched(with_answers, lambda: made.put_card_data(call["reference"], call["variables"], cardUpdateOptions=options))
    return {"answers": with_answers}


def press(call: dict[str, Any]) -> dict[str, Any]:
    """What it reads in the body of a press."""
    read = CardCallbackMessage.from_dict(call["body"])
    return {
        "person": read.user_id,
        "reference": read.card_instance_id,
        "corp_id": read.corp_id,
        "content": read.content,
    }


def _watched(answers: list[Any], act: Any) -> Any:
    """What `act` returns; the answers to its requests, those for a token aside, as status and content."""
    kept = requests.Session.send

    def send(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        answer: requests.Response = kept(session, request, **options)
        if "oauth2" not in str(request.url):
            answers.append([answer.status_code, answer.json()])
        return answer

    requests.Session.send = send  # type: ignore[method-assign, assignment]
    try:
        return act()
    finally:
        requests.Session.send = kept  # type: ignore[method-assign]


CALLS = {"deliver": deliver, "update": update, "press": press}


if __name__ == "__main__":
    serve(CALLS)
