"""Errors in the client's language, beside the English message of the wire."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from clawdbot_ext import gateway
from clawdbot_ext.gateway.error_texts import sentence, to_wire
from clawdbot_ext.protocol import errors
from clawdbot_ext.protocol.errors import GatewayError, InvalidRequest, NotFound

PACKAGE = Path(gateway.__file__).parent.parent
CLASSES = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, GatewayError)}


def raised(folder: Path) -> Iterator[str]:
    """The messages that the modules give to errors, with {} where a value stands; what is only a value is left out."""
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            message = node.args[0]
            if name in CLASSES and isinstance(message, ast.Constant) and isinstance(message.value, str):
                yield message.value
            elif name in CLASSES and isinstance(message, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in message.values)


def test_nine_of_ten_messages_have_a_translation_the_rest_are_shown_as_they_are() -> None:
    said = {message for folder in ("gateway", "store") for message in raised(PACKAGE / folder)}
    assert len(said) > 50
    untold = sorted(message for message in said if sentence(message, "ko") is None)
    assert len(untold) * 10 < len(said), f"{untold}: add them to locale/refusals.en.json and .ko.json"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("no session agent:main:보고서", "세션을 찾을 수 없어요: agent:main:보고서"),
        ("3 attachments; at most 2", "첨부 파일이 3개예요. 최대 2개까지 보낼 수 있어요."),
        ("no prompt {id}", "프롬프트를 찾을 수 없어요: {id}"),
        ("no prompt a\nb", "프롬프트를 찾을 수 없어요: a\nb"),
        ("a text without translation", None),
    ],
)
def test_the_values_of_a_message_go_into_its_translation(message: str, text: str | None) -> None:
    assert sentence(message, "ko") == text


def test_the_wire_s_english_stays() -> None:
    error = NotFound("no session x", key="x")
    assert to_wire(error, "ko") == {
        "code": "INVALID_REQUEST",
        "message": "no session x",
        "details": {"reason": "NOT_FOUND", "key": "x", "text": "세션을 찾을 수 없어요: x"},
    }
    assert to_wire(error, "en") == to_wire(error, None) == error.to_wire()
    assert to_wire(InvalidRequest("message is empty"), "ko")["details"] == {"text": "메시지가 비어 있어요."}
