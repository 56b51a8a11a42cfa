# The report in Chromium: axe finds nothing, keys and filter work, the print shows everything, hostile texts do nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import pytest
import report_fixtures as fixtures
from test_render_html import hostile_document

from ansible_collections.bytebot.production.plugins.plugin_utils.record.history import Earlier
from ansible_collections.bytebot.production.plugins.plugin_utils.render import html

AXE = Path(__file__).resolve().parents[3] / ".cache" / "axe" / "package" / "axe.min.js"
HOSTILE = (
    "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    "</pre></details></style>]]><svg onload=\"document.title = 'owned'\"><a href=\"javascript:document.title='owned'\">"
    "\x00\x1b[2J\u202e\u2066\ufeff"
)
FIGURES = {
    "all": {"latency_ms": {"p50": 6.6, "p95": 20.2, "p100": 99.8}},
    "series_columns": ["seconds", "requests", "failures", "p50_ms", "p95_ms"],
    "series": [[5.0, 100, 0, 6.8, 18.9], [10.0, 101, 0, 6.7, 23.8]],
    "restarts": {"api/api": 2, "worker/worker": 0},
    "containers": [{"container": "api", "memory": 72863744.0, "memory_limit": 268435456.0}],
    "rules": [{"alert": "Down", "state": "inactive"}, {"alert": "Slow", "state": "firing"}],
    "sent": [{"ways": [{"receiver": "critical", "by": "email", "alert_after_s": 5.1, "within_s": 20.0}]}],
}


def signed() -> dict[str, Any]:
    seen = {
        "statement": "0" * 64,
        "name": "Kim",
        "role": "security",
        "key": "SHA256:abc",
        "kind": "attestation",
        "valid_until": "2026-05-21T00:00:00Z",
        "demo": True,
    }
    return {**fixtures.evidence("x", seen), "source": f"ssh-keygen -Y verify, statement {'0' * 12}"}


def full() -> dict[str, Any]:
    """A document in which everything is that the page can show."""
    document = fixtures.mixed()
    document["controls"][0]["evidence"] = [fixtures.evidence("x", FIGURES), signed()]
    document["controls"][1]["weaker"] = ["2 wanted, document 16"]
    document["gate"]["notes"] = [f"{fixtures.IDS[1]} pass: weaker than the document"]
    document["run"] |= {"defects": ["Statement 0 does not count."], "demo": True}
    return document


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Tab]:
    if not browser.program():
        pytest.skip("There is no Chromium: install the package chromium.")
    pytest.importorskip("websocket")
    with browser.tab(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    earlier = [Earlier("20260303T160210Z-91bc", dict.fromkeys(fixtures.IDS, "pass"))]
    path.write_text(html.render(full(), earlier), encoding="utf-8")
    return path


def shown(tab: browser.Tab) -> int:
    return int(tab.run("document.querySelectorAll('.control:not([hidden])').length"))


def focused(tab: browser.Tab) -> str:
    return str(tab.run("document.activeElement.closest('.control')?.id ?? document.activeElement.id"))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_axe_finds_nothing(tab: browser.Tab, report: Path, width: int, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not there: make report-seen fetches it.")
    tab.look(width, scheme)
    tab.open(report)
    # Two controls of each state stand for the others, unfolded, so that each kind of content is looked at.
    tab.run(
        "{ const seen = {}; document.querySelectorAll('.control').forEach((one) => {"
        " const state = one.dataset.state; seen[state] = (seen[state] ?? 0) + 1;"
        " if (seen[state] > 2) { one.remove(); } });"
        " document.querySelectorAll('details').forEach((one) => { one.open = true; }); }"
    )
    tab.run(AXE.read_text(encoding="utf-8"))
    found = tab.run(
        "axe.run().then((r) => r.violations.map((v) => [v.id, v.help, v.nodes.slice(0, 3).map((n) => n.html)]))"
    )
    assert found == []
    assert tab.run("document.documentElement.scrollWidth <= innerWidth"), "nothing stands beyond the window"


def test_it_is_found_and_walked_by_keys(tab: browser.Tab, report: Path) -> None:
    tab.look(1280)
    tab.open(report)
    assert shown(tab) == 204
    tab.run("document.getElementById('words').focus()")
    tab.call("Input.insertText", text="Redis ACL bytebot; other pods")
    assert (shown(tab), tab.run("document.getElementById('shown').textContent")) == (1, "1 of 204 controls are shown.")
    tab.press("Enter", "\r")
    assert focused(tab) == "deployment.health.ready"
    tab.press("/", "/")
    assert focused(tab) == "words"
    tab.press("Escape")
    assert shown(tab) == 204
    tab.press("ArrowDown")
    walked = [focused(tab)]
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "End", "ArrowDown", "Home"):
        tab.press(key)
        walked.append(focused(tab))
    assert walked == [fixtures.IDS[number] for number in (0, 1, 2, 1, -1, -1, 0)]


def test_states_and_what_changed_are_filters(tab: browser.Tab, report: Path) -> None:
    tab.open(report)
    tab.run("document.querySelector('input[value=fail]').click()")
    assert shown(tab) == 2
    tab.run("document.getElementById('moved').click()")
    assert shown(tab) == 1
    tab.run("document.getElementById('clear').click()")
    assert shown(tab) == 204


def test_a_link_to_a_control_unfolds_it(tab: browser.Tab, report: Path) -> None:
    tab.open(report)
    tab.run("location.hash = 'deployment.health.ready'")
    tab.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert tab.run("document.getElementById('deployment.health.ready').querySelector('details').open")
    tab.run("location.hash = '%'")


def test_the_print_shows_everything(tab: browser.Tab, report: Path) -> None:
    tab.open(report)
    tab.look(1000, media="print")
    folded = "[...document.querySelectorAll('.control .more')].filter((one) => !one.checkVisibility()).length"
    assert tab.run(folded) == 0
    assert tab.run("document.querySelector('.cards').checkVisibility()")
    tab.look(1280)
    tab.run("document.querySelector('input[value=fail]').click()")
    tab.run("window.print = () => dispatchEvent(new Event('beforeprint'))")
    tab.run("document.getElementById('print').click()")
    assert shown(tab) == 204, "a filter keeps nothing from the auditor"
    assert tab.run("document.querySelectorAll('details:not([open])').length") == 0
    tab.run("dispatchEvent(new Event('afterprint'))")
    assert tab.run("document.querySelectorAll('details[open]').length") == 0, "as it was before the print"


def test_hostile_texts_do_nothing(tab: browser.Tab, tmp_path: Path) -> None:
    document = hostile_document(HOSTILE)
    document["controls"][0]["evidence"][0]["observed"] = HOSTILE * 5000
    path = tmp_path / "hostile.html"
    path.write_text(html.render(document, [Earlier(HOSTILE, {HOSTILE: HOSTILE})]), encoding="utf-8")
    assert path.stat().st_size < 3_000_000, "no text is endless"
    tab.open(path)
    tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    tab.run("new Promise((done) => setTimeout(done, 50))")
    assert "owned" not in str(tab.run("document.title")).replace(HOSTILE[:40], "").partition("<")[0]
    assert tab.run("document.querySelectorAll('script').length") == 1
    assert tab.run("document.querySelectorAll('img, iframe, object, embed, base, [onload], [onerror]').length") == 0
    acting = "[...document.body.innerText].filter((c) => '\\u202e\\u2066\\ufeff\\u0000\\u001b'.includes(c)).length"
    assert tab.run(acting) == 0
    asked = [
        event["params"]["request"]["url"] for event in tab.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked == [path.as_uri()]
    assert not [event for event in tab.events if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]


def test_the_policy_stops_what_would_be_let_in(tab: browser.Tab, report: Path, tmp_path: Path) -> None:
    """Were a text put in as markup after all, it could still do nothing."""
    path = tmp_path / "pierced.html"
    text = report.read_text(encoding="utf-8")
    inside = "<script>document.title = 'owned'</script><svg onload=\"document.title = 'owned'\"></svg>"
    path.write_text(text.replace("<main ", f"{inside}<main "), encoding="utf-8")
    tab.open(path)
    assert tab.run("document.querySelectorAll('script').length") == 2
    assert not str(tab.run("document.title")).startswith("owned")
