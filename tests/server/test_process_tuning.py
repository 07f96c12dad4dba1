"""Cost of a start, in the standalone server and in another Jupyter server."""

from __future__ import annotations

import json
import subprocess
import sys

from clawdbot_ext.config import secret_variables
from clawdbot_ext.server.secret_handover import SECRET_VARIABLES
from tests.support.server import ROOT, clean_environment


def python(tmp_path, code):
    """Run ``code`` in a fresh interpreter; its JSON output."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean_environment(tmp_path),
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_loading_the_extension_adds_little_to_the_start_of_a_jupyter_server(tmp_path):
    """50 ms on a quiet machine; the bound here leaves room for a busy one. What must not be loaded is exact."""
    found = python(
        tmp_path,
        """if True:
        import json, sys, time
        import jupyter_server.serverapp
        before, began = set(sys.modules), time.process_time()
        import clawdbot_ext
        points = clawdbot_ext._jupyter_server_extension_points()
        took = time.process_time() - began
        new = sorted(set(sys.modules) - before)
        print(json.dumps({"took": took, "new": new, "names": [p["app"].name for p in points],
                          "module": points[0]["module"]}))""",
    )
    assert found["took"] < 0.1 and found["names"] == ["clawdbot"] and found["module"] == "clawdbot_ext"
    for heavy in (
        "anthropic",
        "sqlite3",
        "msgspec",
        "limits",
        "clawdbot_ext.gateway",
        "clawdbot_ext.server.process_tuning",
    ):
        assert not [name for name in found["new"] if name == heavy or name.startswith(f"{heavy}.")], heavy


def test_somebodys_server_keeps_its_own_iri_checks_and_garbage_collection(tmp_path):
    found = python(
        tmp_path,
        """if True:
        import gc, json, sys
        before = gc.get_threshold()
        import jupyter_server.serverapp, clawdbot_ext
        clawdbot_ext._jupyter_server_extension_points()
        import clawdbot_ext.server.handlers.routes, clawdbot_ext.server.context
        print(json.dumps({"real": "rfc3987_syntax.syntax_helpers" in sys.modules, "gc": gc.isenabled(),
                          "same": gc.get_threshold() == before}))""",
    )
    assert found == {"real": True, "gc": True, "same": True}


def test_our_own_process_does_not_compile_the_iri_grammars_until_somebody_checks_one(tmp_path):
    found = python(
        tmp_path,
        """if True:
        import inspect, json, sys
        from clawdbot_ext.server import process_tuning
        process_tuning.before_imports()
        import jupyter_server.serverapp, jsonschema
        inspect.getmodule(process_tuning.before_imports)
        late = "rfc3987_syntax.syntax_helpers" not in sys.modules
        checker = jsonschema.FormatChecker(formats=["iri"])
        verdicts = [checker.conforms("http://example.org/한", "iri"), checker.conforms("not an iri", "iri")]
        print(json.dumps({"late": late, "verdicts": verdicts,
                          "real": "rfc3987_syntax.syntax_helpers" in sys.modules}))""",
    )
    assert found == {"late": True, "verdicts": [True, False], "real": True}


def test_our_own_process_checks_uris_and_durations_by_modules_that_are_loaded_then(tmp_path):
    found = python(
        tmp_path,
        """if True:
        import json, sys
        from clawdbot_ext.server import process_tuning
        process_tuning.before_imports()
        import jupyter_server.serverapp, jsonschema
        late = [name for name in ("isoduration.parser", "arrow") if name in sys.modules]
        checker = jsonschema.FormatChecker(formats=["uri", "duration"])
        verdicts = [checker.conforms(text, kind) for text, kind in (
            ("P1DT2H", "duration"), ("P", "duration"), ("1 day", "duration"),
            ("http://example.org/", "uri"), ("not a uri", "uri"))]
        import isoduration, rfc3986_validator
        real = [hasattr(rfc3986_validator, "__all__"), hasattr(isoduration, "format_duration")]
        print(json.dumps({"late": late, "verdicts": verdicts, "real": real}))""",
    )
    assert found == {"late": [], "verdicts": [True, False, False, True, False], "real": [True, True]}


def test_a_start_loads_no_module_for_plain_addresses_and_dates_and_collects_nothing_before_its_end(tmp_path):
    found = python(
        tmp_path,
        """if True:
        import gc, json, sys
        from clawdbot_ext.server import process_tuning
        process_tuning.before_imports()
        import jupyter_server.serverapp, jsonschema
        from jupyter_client.jsonutil import parse_date
        checker = jsonschema.FormatChecker(formats=["uri"])
        plain = checker.conforms("https://events.jupyter.org/jupyter_server/contents_service/v1", "uri")
        late = [name for name in ("dateutil.parser._parser",) if name in sys.modules]
        late += [name for name in ("rfc3986_validator",) if hasattr(sys.modules[name], "__all__")]
        collecting = [gc.isenabled()]
        process_tuning.freeze_gc()
        collecting.append(gc.isenabled())
        at = parse_date("2026-11-30T12:00:00.5Z")
        import dateutil.parser
        print(json.dumps({"plain": plain, "late": late, "collecting": collecting, "at": at.isoformat(),
                          "real": hasattr(dateutil.parser, "parserinfo")}))""",
    )
    assert found == {
        "plain": True,
        "late": [],
        "collecting": [False, True],
        "at": "2026-11-30T12:00:00.500000+00:00",
        "real": True,
    }


def test_no_git_is_run_for_the_commit_of_jupyter_server(tmp_path):
    found = python(
        tmp_path,
        """if True:
        import json
        from clawdbot_ext.server import process_tuning
        process_tuning.without_git()
        from jupyter_server import _sysinfo
        _sysinfo.subprocess = None
        print(json.dumps(_sysinfo.get_sys_info()["commit_hash"]))""",
    )
    assert found == ""


def test_the_first_start_hides_the_variables_that_hold_secrets_and_imports_no_settings(tmp_path):
    assert set(SECRET_VARIABLES) == secret_variables()
    found = python(
        tmp_path,
        """if True:
        import json, sys
        import clawdbot_ext.server.launch
        print(json.dumps([name for name in sys.modules if name in ("argparse", "dataclasses", "inspect", "msgspec")
                          or name.startswith(("clawdbot_ext.config", "clawdbot_ext.protocol"))]))""",
    )
    assert found == []


def test_an_idle_gateway_with_the_demo_has_loaded_neither_the_sdk_nor_the_limiter(standing_gateway):
    loaded = set()
    with open(f"/proc/{standing_gateway.pid}/maps") as maps:
        loaded = {line.split()[-1] for line in maps if "site-packages" in line}
    assert loaded and not [path for path in loaded if "pydantic" in path or "/jiter/" in path]
