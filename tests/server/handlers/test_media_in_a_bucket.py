"""A gateway whose attachments lie in a bucket: shown, read by the model, and told when the storage is away."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from clawdbot_ext.cli.program import program
from clawdbot_ext.store.s3 import S3Blobs
from tests.server.handlers.test_media import ask
from tests.support.media import png, upload
from tests.support.s3 import BUCKET, KEY, S3Server
from tests.support.wire import run, text_of, wired

pytestmark = pytest.mark.slow


def test_files_go_to_the_bucket_and_come_back_and_nothing_is_lost_while_it_is_away(make_gateway):
    with S3Server() as server:
        gateway = make_gateway(config={"storage": {"media": server.settings()}})
        blobs = S3Blobs(BUCKET, "lab", endpoint=server.url, region="us-east-1", key=KEY)
        copies, picture = gateway.home / "media-copies", png(60, 40)
        media = upload(gateway, "plot.png", picture)
        (name,) = blobs.names("files/")
        assert b"".join(blobs.read(name)) == picture and not (gateway.home / "media").exists()
        shutil.rmtree(copies / name.removeprefix("files/")[:2])
        part = ask(gateway, "GET", f"media/{media['mediaId']}", Range="bytes=4-9")
        assert (part.status, part.body) == (206, picture[4:10])

        shutil.rmtree(copies / name.removeprefix("files/")[:2])
        server.stop()

        async def meanwhile() -> None:
            refused = ask(gateway, "POST", "media?name=b.txt", b"some text", Accept_Language="ko")
            error = json.loads(refused.body)["error"]
            assert (refused.status, error["details"]["reason"]) == (503, "MEDIA_STORAGE_AWAY") and error["retryable"]
            assert error["details"]["text"] == "첨부 파일 저장소가 응답하지 않아요." and "다시 시도" in error["hint"]
            assert ask(gateway, "GET", f"media/{media['mediaId']}").status == 503
            assert ask(gateway, "GET", "readyz").status == 200
            async with wired(gateway.ws_url, gateway.token) as wire:
                end = await wire.ask("what is this?", attachments=[{"mediaId": media["mediaId"]}])
                assert end["state"] == "error" and "does not answer" in end["errorMessage"]
                kept = (await wire.call("chat.history", {"sessionKey": "main"}))["messages"]
                assert text_of(kept[0]) == "what is this?" and kept[0]["content"][0]["mediaId"] == media["mediaId"]
                assert (await wire.ask("[[text=well]] hello", key="other"))["state"] == "final", "nothing is blocked"
                status = await wire.call("status", {})
                assert status["storage"]["media"] == f"s3://{BUCKET}/lab" and status["storage"]["engine"] == "sqlite"
                shown = json.dumps([await wire.call("config.get", {}), status])
                assert KEY[1] not in shown and KEY[0] not in shown

        run(meanwhile(), timeout_s=240)
        here = CliRunner(env={"CLAWDBOT_STATE_DIR": str(gateway.state), "LC_ALL": "C.UTF-8"})
        doctor = here.invoke(program, ["doctor"]).output
        assert "does not answer" in doctor and KEY[1] not in doctor
        server.start()
        assert "Attachments are kept at s3://attachments/lab" in here.invoke(program, ["doctor"]).output
        assert upload(gateway, "plot.png", picture)["mediaId"] == media["mediaId"], "the same bytes are the same file"
        assert ask(gateway, "GET", f"media/{media['mediaId']}").body == picture
        assert KEY[1] not in gateway.output and "answers again" in gateway.output
