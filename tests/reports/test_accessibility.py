"""Labels, contrast and keys of the report, as axe-core and a browser's own accessibility tree see.

axe-core [1] is asked for its rules of WCAG 2.0, 2.1 and 2.2, levels A and AA. It finds about half
of what can be wrong, and never says that a page is good; what it can't see of keys is tried here.

References:
    [1] Deque Systems, axe-core, rule descriptions.
"""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from tests.browser import needs_browser

pytestmark = needs_browser

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
TAB, LEFT, SPACE = ("Tab", 9), ("ArrowLeft", 37), (" ", 32)


def violations(page):
    """Return the rules that are broken, and where."""
    page.run(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    options = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
    found = page.run(f"axe.run(document, {json.dumps(options)})")
    return {
        rule["id"]: [(node["target"], node["failureSummary"]) for node in rule["nodes"]]
        for rule in found["violations"]
    }


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("drifted_run", 390, "light"),
        ("drifted_run", 390, "dark"),
        ("drifted_run", 1280, "light"),
        ("drifted_run", 1280, "dark"),
        ("stand_in_run", 390, "dark"),
        ("empty_run", 1280, "light"),
    ],
)
def test_axe_finds_nothing(opened, request, name, width, scheme):
    page = opened(request.getfixturevalue(name), width, scheme=scheme)
    page.draw_everything()
    assert violations(page) == {}


@pytest.mark.parametrize(
    ("rule", "damage"),
    [
        ("label", "document.querySelector('label[for=budget-0]').remove()"),
        ("color-contrast", "document.querySelector('.faint').style.color = '#c8c8c8'"),
        ("button-name", "document.getElementById('reset').textContent = ''"),
    ],
)
def test_axe_would_have_found_it(opened, small_run, rule, damage):
    page = opened(small_run)
    page.run(damage)
    assert rule in violations(page)


def test_every_control_is_reached_by_tab_and_has_a_name_and_a_visible_focus(opened, small_run):
    page = opened(small_run)
    page.draw_everything()
    page.run("document.activeElement.blur()")
    controls = page.run("""(() => {
        const seen = [...document.querySelectorAll("button, input, summary, .scroll")].filter(
            (each) => each.checkVisibility() && !each.disabled && !each.closest(".plot"));
        seen.forEach((each, n) => { each.dataset.control = n; });
        return seen.length;
    })()""")
    reached = set()
    for _ in range(3 * controls):
        page.press(*TAB)
        at = page.run("""(() => {
            const at = document.activeElement, style = getComputedStyle(at);
            return [at.dataset.control ?? null, style.outlineStyle, parseFloat(style.outlineWidth)];
        })()""")
        if at[0] is not None:
            reached.add(int(at[0]))
            assert at[1] != "none"
            assert at[2] >= 2
    assert reached == set(range(controls))
    nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "spinbutton", "figure", "region"}
    nameless = [
        node["role"]["value"]
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in roles
        and not node.get("name", {}).get("value", "").strip()
    ]  # fmt: skip
    assert nameless == []


def test_arrows_move_a_slider_and_the_new_budget_is_said(opened, small_run):
    page = opened(small_run)
    slider = "document.getElementById('budget-0')"
    before = page.run(f"{slider}.focus(), {slider}.getAttribute('aria-valuetext')")
    page.press(*LEFT)
    said = f"{slider}.getAttribute('aria-valuetext')"
    after = page.until(f"{said} !== `{before}` && {said}")
    assert after.startswith("at most ")
    left = page.until("document.getElementById('left').textContent")
    assert "measured trials left" in left
    assert page.run("document.getElementById('left').getAttribute('aria-live')") == "polite"


def test_a_trial_can_be_chosen_and_its_command_copied_without_a_mouse(opened, small_run):
    page = opened(small_run)
    page.run("document.getElementById('trial-number').focus()")
    page.run("document.getElementById('trial-number').select()")
    page.ask("Input.insertText", text="2")
    page.press(*TAB)
    title = "document.getElementById('chosen-title').textContent"
    assert page.until(f"{title}.startsWith('Trial 2,') && {title}")
    page.run("document.getElementById('chosen-copy').focus()")
    page.press(*SPACE)
    said = page.until("document.getElementById('said').textContent")
    assert said.endswith("--trial 2 --out nuc-trial-2")
