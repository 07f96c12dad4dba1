"""Connections that a preview can cause, counted at a listener of its own for each attempt."""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.support.tools import require

from .conftest import QUIET


class Canary:
    """Listeners on loopback, TCP and UDP on the same port, each named for one attempt."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._open: list[socket.socket] = []
        self.met: Counter[str] = Counter()
        self.first_bytes: dict[str, bytes] = {}

    def listen(self, name: str) -> int:
        tcp = socket.create_server(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", port))
        for sock, kind in ((tcp, "listener"), (udp, "udp")):
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ, (name, kind))
            self._open.append(sock)
        return int(port)

    def collect(self, seconds: float, until: str = "") -> None:
        """Count what comes for ``seconds``, or until ``until`` has been met."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0 and not (until and self.met[until]):
            for key, _ in self._selector.select(left):
                self._take(key.fileobj, *key.data)

    def _take(self, sock: socket.socket, name: str, kind: str) -> None:
        if kind == "listener":
            connection, _ = sock.accept()
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ, (name, "connection"))
            self._open.append(connection)
            self.met[name] += 1
        elif kind == "udp":
            self.met[name] += 1
            self.first_bytes[name] = sock.recv(2_000)
        else:
            try:
                data = sock.recv(2_000)
            except OSError:
                data = b""
            if not data:
                self._selector.unregister(sock)
            self.first_bytes.setdefault(name, data)

    def close(self) -> None:
        self._selector.close()
        for sock in self._open:
            sock.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


# ruff: noqa: E501 - an attempt a line
NOWHERE = {
    "link preconnect": "<link rel=preconnect href='{http}x' as=script>",
    "link dns-prefetch": "<link rel=dns-prefetch href='{http}x' as=script>",
    "link prefetch": "<link rel=prefetch href='{http}x' as=script>",
    "link preload": "<link rel=preload href='{http}x' as=script>",
    "link modulepreload": "<link rel=modulepreload href='{http}x' as=script>",
    "link stylesheet": "<link rel=stylesheet href='{http}x' as=script>",
    "link icon": "<link rel=icon href='{http}x' as=script>",
    "link prerender": "<link rel=prerender href='{http}x' as=script>",
    "link manifest": "<link rel=manifest href='{http}x' as=script>",
    "link preconnect TLS": "<link rel=preconnect href='{https}'>",
    "link preconnect crossorigin": "<link rel=preconnect crossorigin href='{http}'>",
    "link preload image": "<link rel=preload as=image href='{http}x'>",
    "svg-wrapped preconnect": "<svg><foreignObject><link rel=preconnect href='{http}'></foreignObject></svg>",
    "script preconnect in srcdoc": "<iframe srcdoc=\"<link rel=preconnect href='{http}'>\"></iframe>",
    "meta refresh": "<meta http-equiv=refresh content='0;url={http}x'>",
    "meta refresh TLS": "<meta http-equiv=refresh content='0;url={https}x'>",
    "meta link header": "<meta http-equiv=Link content='<{http}>; rel=preconnect'>",
    "iframe": "<iframe src='{http}x'></iframe>",
    "iframe TLS": "<iframe src='{https}x'></iframe>",
    "base": "<base href='{http}'><img src=x><script src=x></script><link rel=stylesheet href=x>",
    "form": "<form action='{http}x'><input name=a></form><script>document.forms[0].submit()</script>",
    "form post": "<form method=post action='{http}x'><input name=a></form><script>document.forms[0].submit()</script>",
    "object": "<object data='{http}x'></object>",
    "embed": "<embed src='{http}x'>",
    "img": "<img src='{http}x' srcset='{http}y 2x'>",
    "media": "<video poster='{http}x' src='{http}y' autoplay></video><audio src='{http}z' autoplay></audio><track src='{http}t'>",
    "css import": "<style>@import url('{http}x'); @import '{http}y';</style>",
    "css url": "<style>body{{background:url('{http}x');cursor:url('{http}c'),auto}}@font-face{{font-family:f;src:url('{http}f')}}*{{font-family:f}}</style>x",
    "svg use": "<svg><use href='{http}x#a'/><image href='{http}y'/><filter id=f><feImage href='{http}z'/></filter><rect width=9 height=9 filter='url({http}w#f)'/></svg>",
    "script src": "<script src='{http}x'></script>",
    "module import": "<script type=module>import '{http}x'</script><script>import('{http}y').catch(()=>0)</script>",
    "importmap": '<script type=importmap>{{"imports":{{"a":"{http}x"}}}}</script><script type=module>import \'a\'</script>',
    "speculation rules": '<script type=speculationrules>{{"prefetch":[{{"urls":["{http}x"],"eagerness":"immediate"}}],"prerender":[{{"urls":["{http}y"],"eagerness":"immediate"}}]}}</script>',
    "fetch": "<script>fetch('{http}x',{{mode:'no-cors'}}).catch(()=>0);fetch('{http}x',{{keepalive:true,method:'POST',mode:'no-cors'}}).catch(()=>0)</script>",
    "xhr": "<script>x=new XMLHttpRequest();x.open('GET','{http}x');try{{x.send()}}catch{{}}</script>",
    "sendBeacon": "<script>navigator.sendBeacon('{http}x','a')</script>",
    "fetchLater": "<script>try{{fetchLater('{https}x',{{activateAfter:0}})}}catch{{}}</script>",
    "WebSocket": "<script>try{{new WebSocket('{ws}x')}}catch{{}}</script>",
    "WebSocket TLS": "<script>try{{new WebSocket('{wss}x')}}catch{{}}</script>",
    "EventSource": "<script>try{{new EventSource('{http}x')}}catch{{}}</script>",
    "WebTransport": "<script>try{{new WebTransport('{https}x')}}catch{{}}</script>",
    "a ping": "<a href='#here' ping='{http}x'>x</a><script>document.querySelector('a').click()</script>",
    "a target": "<a href='{http}x' target=_blank>x</a><script>document.querySelector('a').click();open('{http}y')</script>",
    "top location": "<script>try{{top.location='{http}x'}}catch{{}};try{{parent.location='{http}x'}}catch{{}}</script>",
    "worker": "<script>try{{new Worker('{http}x')}}catch{{}};try{{new Worker(URL.createObjectURL(new Blob([\"fetch('{http}x')\"])))}}catch{{}}</script>",
    "WebRTC in srcdoc": "<iframe srcdoc=\"<script>p=new RTCPeerConnection({{iceServers:[{{urls:'stun:{host}'}},{{urls:'turn:{host}?transport=tcp',username:'a',credential:'b'}}]}});p.createDataChannel('a');p.createOffer().then(o=>p.setLocalDescription(o))</script>\"></iframe>",
}
BY_SCRIPT = {
    "script preconnect in shadow": "<div></div><script>s=document.querySelector('div').attachShadow({{mode:'closed'}});s.innerHTML='<link rel=preconnect href={http}>'</script>",
    "script preconnect": "<script>l=document.createElement('link');l.rel='preconnect';l.href='{http}';document.head.append(l)</script>",
    "a href": "<a href='{http}x'>x</a><script>document.querySelector('a').click()</script>",
    "location": "<script>location='{http}x'</script>",
    "WebRTC": "<script>p=new RTCPeerConnection({{iceServers:[{{urls:'stun:{host}'}},{{urls:'turn:{host}?transport=tcp',username:'a',credential:'b'}}]}});p.createDataChannel('a');p.createOffer().then(o=>p.setLocalDescription(o))</script>",
    "WebRTC candidate": "<script>(async()=>{{p=new RTCPeerConnection();p.createDataChannel('a');q=new RTCPeerConnection();await p.setLocalDescription(await p.createOffer());await q.setRemoteDescription(p.localDescription);await q.setLocalDescription(await q.createAnswer());await p.setRemoteDescription(q.localDescription);await p.addIceCandidate({{candidate:'candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host',sdpMid:'0'}})}})()</script>",
    "WebRTC by script in srcdoc": "<p>x</p><script>f=document.createElement('iframe');f.srcdoc=\"<script>p=new RTCPeerConnection({{iceServers:[{{urls:'stun:{host}'}}]}});p.createDataChannel('a');p.createOffer().then(o=>p.setLocalDescription(o))<\\/script>\";document.body.append(f)</script>",
    "script iframe": "<p>x</p><script>f=document.createElement('iframe');f.src='{https}x';document.body.append(f)</script>",
    "script meta refresh": "<script>document.head.innerHTML='<meta http-equiv=refresh content=\"0;url={http}x\">'</script>",
}

HOST = """contents => Promise.all(contents.map(content => new Promise(done => {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    addEventListener("message", ({ source, data }) => {
        if (source !== frame.contentWindow || data.clawdbotFrame !== 0) return;
        source.postMessage({ kind: "html", content }, "*");
        setTimeout(done, 1_500);
    });
    frame.src = "frame";
    document.body.append(frame);
})))"""
"""The preview on a page that has no policy of its own: a JupyterLab."""
PRECONNECT = """address => {
    const link = Object.assign(document.createElement("link"), { rel: "preconnect", href: address });
    document.head.append(link);
}"""


def fill(template: str, port: int) -> str:
    host = f"127.0.0.1:{port}"
    return template.format(
        http=f"http://{host}/", https=f"https://{host}/", ws=f"ws://{host}/", wss=f"wss://{host}/", host=host, port=port
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Page]:
    """A page of a lasting profile: in a private one, and without a window, Chromium does not connect ahead, which would hide it."""
    path = require("desktop-chromium")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=path,
            args=list(QUIET),
        )
        yield context.new_page()
        context.close()


def test_r7_a_preview_connects_nowhere_but_for_what_a_script_in_it_does(page, standing_gateway, canary):
    contents = [fill(text, canary.listen(name)) for name, text in {**NOWHERE, **BY_SCRIPT}.items()]
    page.route(f"{standing_gateway.url}lab", lambda route: route.fulfill(content_type="text/html", body="<p>Lab"))
    page.goto(f"{standing_gateway.url}lab")
    page.evaluate(HOST, contents)
    page.evaluate(PRECONNECT, fill("{http}", canary.listen("control")))
    canary.collect(20, until="control")
    for name in BY_SCRIPT:
        canary.collect(10, until=name)
    canary.collect(1)
    assert canary.met["control"], "this browser connects ahead"
    assert {name: canary.met[name] for name in NOWHERE if canary.met[name]} == {}
    assert {name for name in BY_SCRIPT if canary.met[name]} == set(BY_SCRIPT), "SECURITY.md says more than is so"
