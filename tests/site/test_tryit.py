"""The page "Try it": its arithmetic against tta_helpers' answers, and its controls.

expected.json holds those answers, for there is no Keras where these tests run; tests/test_site.py
holds it to the package.
"""

import json

import pytest
from conftest import ROOT

DATA = json.loads((ROOT / "docs" / "site" / "tryit.json").read_text("utf-8"))
EXPECTED = json.loads((ROOT / "tests" / "site" / "expected.json").read_text("utf-8"))
ANSWER = """({network, policy, temperature, weights}) => {
  const data = globalThis.tryItData, tta = globalThis.tryItArithmetic, n = data.classes.length;
  const probs = tta.decoded(data.probs[network], data.step, n);
  const average = tta.averaged(probs, weights, policy, temperature, n);
  const right = (scores) => tta.right(scores, data.labels, n);
  return {
    averages: data.shown.map((k) => [...average.subarray(k * n, (k + 1) * n)]),
    counted: tta.counted(right(probs), right(average)),
  };
}"""


@pytest.fixture
def page(look):
    found = look("try-it.html")
    yield found
    assert found.errors == [] and found.failed == []


def counted(page):
    return page.locator("#tryit-counted").inner_text()


def gain(page):
    return page.locator("#tryit-bar").text_content()


def test_its_arithmetic_is_that_of_the_package(page):
    assert {one["policy"] for one in EXPECTED["settings"]} == {"mean", "geometric_mean", "vote"}
    for setting in EXPECTED["settings"]:
        found = page.evaluate(ANSWER, setting)
        for mine, theirs in zip(found["averages"], setting["averages"], strict=True):
            assert mine == pytest.approx(theirs, abs=1e-6)
        assert found["counted"] == pytest.approx(setting["counted"], abs=1e-6)


def test_a_tied_vote_goes_to_the_lower_class_by_hand(page):
    tied = """() => {
      const tta = globalThis.tryItArithmetic;
      const probs = Float64Array.from([0.1, 0.2, 0.7, 0.8, 0.1, 0.1, 0.1, 0.6, 0.3]);
      const average = tta.averaged(probs, [0.5, 0.5, 0], "vote", 1, 3);
      return [[...average], tta.highest(average, 0, 3)];
    }"""
    assert page.evaluate(tied) == [[0.5, 0, 0.5], 0]


def test_its_intervals_are_those_of_the_package(page):
    count = "([n, fixed, broken]) => globalThis.tryItArithmetic.counted(" + (
        "Array.from({length: n}, (_, k) => k >= fixed), "
        "Array.from({length: n}, (_, k) => k < fixed || k >= fixed + broken))"
    )
    for n, fixed, broken, low, high, p in EXPECTED["intervals"]:
        found = page.evaluate(count, [n, fixed, broken])
        assert (found["fixed"], found["broken"]) == (fixed, broken)
        assert [found[k] for k in ("low", "high", "p_value")] == pytest.approx(
            [low, high, p], abs=1e-6
        )


def test_the_first_view_is_of_the_settled_network_with_its_mirror(page):
    assert page.locator("input[name=tryit-network]:checked").get_attribute("value") == "settled"
    assert page.locator("#tryit-views [type=checkbox]:checked").count() == 2
    assert page.locator("#tryit-views li").count() == len(DATA["views"])
    assert page.locator("#tryit-pictures label").count() == len(DATA["shown"])
    assert f"Of {len(DATA['labels'])} pictures" in counted(page)
    assert "Passes: 2." in counted(page)
    assert page.locator("#tryit-told strong").inner_text() == "fixed"


def test_by_mouse(page):
    before = gain(page)
    page.get_by_role("button", name="The original alone").click()
    assert gain(page) == "+0.00 points; 0 fixed, 0 broken"
    assert "no clear effect" in counted(page) and "Passes: 1." in counted(page)
    page.get_by_role("button", name="With its mirror image").click()
    assert gain(page) == before
    page.get_by_label("upside down", exact=True).check()
    assert "Passes: 3." in counted(page) and gain(page) != before
    page.get_by_label("tutorial").check()
    tutorial = counted(page)
    page.get_by_label("geometric mean").check()
    assert counted(page) != tutorial or page.locator("#tryit-average").inner_text()
    page.locator("#tryit-pictures label").nth(5).click()
    image = DATA["shown"][5]
    assert (
        f"The picture shows: {DATA['classes'][DATA['labels'][image]]}."
        in page.locator("#tryit-told").inner_text()
    )


def test_dragging_a_weight_changes_the_average(page):
    slider = page.locator("#tryit-weight-1")
    slider.scroll_into_view_if_needed()
    box, before = slider.bounding_box(), page.locator("#tryit-average").inner_text()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert float(slider.input_value()) > 3
    assert page.locator("#tryit-average").inner_text() != before


def test_by_keyboard(page):
    page.locator("input[name=tryit-policy]:checked").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("input[name=tryit-policy]:checked").get_attribute("value") == "vote"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "tryit-temperature"
    told, average = page.locator("#tryit-temperature-told"), page.locator("#tryit-average")
    assert "a vote stays the same" not in told.inner_text() or average.is_visible()
    before = average.inner_text()
    page.keyboard.press("ArrowRight")
    assert average.inner_text() == before  # a vote does not change with it
    page.locator("input[name=tryit-policy][value=mean]").check()
    assert average.inner_text() != before
    page.locator("input[name=tryit-picture]:checked").focus()
    first = page.locator("#tryit-told").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator("#tryit-told").inner_text() != first
    page.locator("#tryit-on-3").focus()
    page.keyboard.press("Space")
    assert "Passes: 3." in counted(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert page.locator("#tryit-weight-3").input_value() == "0"
    assert "Passes: 2." in counted(page)


def test_no_view_at_all_is_said_and_can_be_mended(page):
    page.get_by_role("button", name="The original alone").click()
    page.locator("#tryit-on-0").uncheck()
    assert "switch one on" in page.locator("#tryit-told").inner_text()
    assert not page.locator("#tryit-average").is_visible() and counted(page) == ""
    page.locator("#tryit-on-0").check()
    assert page.locator("#tryit-average").is_visible() and "Passes: 1." in counted(page)


def test_on_a_telephone_the_gain_stays_in_sight(look):
    page = look("try-it.html", "telephone")
    page.get_by_label("turned anticlockwise", exact=True).check()
    bar = page.locator("#tryit-bar").bounding_box()
    assert 0 < bar["y"] < bar["y"] + bar["height"] <= 844
    assert page.locator("#tryit-bar").is_visible()
