"""The report as a browser shows it: Debian's Chromium, headless; skipped where there is none."""

import re
import time

import pytest

from ops.report.render import page
from tests.browser import opened, program
from tests.conftest import BY_NAME
from tests.report import reported

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium: apt-get install chromium")

PHONE, TABLET, DESKTOP = (390, 844), (820, 1180), (1280, 900)
SECTIONS = 8
A4 = (595, 842)  # points


@pytest.fixture(scope="module", name="browser")
def _browser(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(params=["dev", "prod"], name="file")
def _file(request, shipped, tmp_path):
    file = tmp_path / f"{request.param}.html"
    file.write_text(page(reported(shipped(request.param)), list(BY_NAME)), encoding="utf-8")
    return file


@pytest.mark.parametrize("size", [PHONE, TABLET, DESKTOP], ids=str)
def test_nothing_is_wider_than_the_window(browser, file, size):
    browser.open(file, *size)
    root = "document.documentElement"
    assert browser.evaluate(f"{root}.scrollWidth <= {root}.clientWidth && innerWidth") == size[0]
    wider = browser.evaluate(
        """[...document.querySelectorAll("body *")].filter(element =>
             !element.closest(".scroll > *") && !element.matches(".hidden, .skip")
             && element.getBoundingClientRect().right > document.documentElement.clientWidth + 1
           ).map(element => element.outerHTML.slice(0, 80))"""
    )
    assert wider == []


def test_what_is_wider_than_a_phone_scrolls_in_its_own_box(browser, file):
    browser.open(file, *PHONE)
    boxes = browser.evaluate(
        """[...document.querySelectorAll(".scroll")].map(box => {
             box.scrollLeft = 100000;
             const inner = box.firstElementChild.getBoundingClientRect();
             return [box.scrollWidth > box.clientWidth, inner.right <= innerWidth,
                     getComputedStyle(box).overflowX, box.tabIndex];
           })"""
    )
    assert len(boxes) > SECTIONS
    assert all(end and how == "auto" and index == 0 for _, end, how, index in boxes)
    assert any(scrolls for scrolls, *_ in boxes)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=str)
def test_every_section_is_seen(browser, file, size):
    browser.open(file, *size)
    seen = browser.evaluate(
        """[...document.querySelectorAll("main > section")].map(section => {
             const box = section.getBoundingClientRect();
             return section.checkVisibility() && box.height > 60 && box.width > 300;
           })"""
    )
    assert seen == [True] * (SECTIONS + 1)


def test_no_text_runs_over_another_cell(browser, file):
    browser.open(file, *PHONE)
    over = browser.evaluate(
        """[...document.querySelectorAll("td, th")].filter(cell =>
             !cell.closest(".stacked thead") && cell.scrollWidth > cell.clientWidth + 1
           ).map(cell => cell.textContent)"""
    )
    assert over == []


def test_links_within_the_page_lead_somewhere(browser, file):
    browser.open(file, *DESKTOP)
    lost = browser.evaluate(
        """[...document.querySelectorAll("a[href^='#']")].map(link => link.hash.slice(1))
             .filter(id => !document.getElementById(id))"""
    )
    assert lost == []


def test_it_loads_nothing_and_complains_of_nothing(browser, file):
    browser.open(file, *DESKTOP)
    time.sleep(0.2)  # what would come late
    browser.evaluate("1")
    asked = {event["request"]["url"] for event in browser.told("Network.requestWillBeSent")} - {
        "data:,"
    }
    assert asked == {file.as_uri()}
    for kind in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
        assert browser.told(kind) == []


def test_it_is_printed_on_a_sensible_number_of_pages(browser, file):
    browser.open(file, *DESKTOP)
    printed = browser.pdf()
    assert printed.startswith(b"%PDF")
    pages = re.findall(rb"/Type\s*/Page\b", printed)
    assert 5 <= len(pages) <= 16
    sizes = {
        tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[([^\]]*)\]", printed)
    }
    assert all((round(w), round(h)) == A4 for _, _, w, h in sizes)


LUMINANCE = """
  (() => {
    const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const parts = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const ground = element => {
      for (let e = element; e; e = e.parentElement) {
        const found = parts(getComputedStyle(e).backgroundColor);
        if (found.length === 3 || found[3] > 0) return found;
      }
      return [255, 255, 255];
    };
    return [...document.querySelectorAll("body *")].filter(element =>
      !element.closest("svg") && !element.matches(".hidden, .skip")
      && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())
    ).map(element => {
      const [a, b] = [light(parts(getComputedStyle(element).color)), light(ground(element))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.textContent.slice(0, 40)];
    }).filter(([ratio]) => ratio < 4.5);
  })()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(browser, file, scheme):
    """https://www.w3.org/TR/WCAG22/#contrast-minimum"""
    browser.open(file, *DESKTOP, **{"prefers-color-scheme": scheme})
    dark = (
        browser.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    )
    assert dark is (scheme == "dark")
    assert browser.evaluate(LUMINANCE) == []
