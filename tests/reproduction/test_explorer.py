"""The explorer in a headless browser: its JavaScript counts, chooses and searches as Python does."""

from __future__ import annotations

import re
import time

import chromium
import numpy as np
import pytest
import tables

import regnas_core as rc
from regnas_core.data.datasets import ImageSet
from regnas_core.errors import DataError
from regnas_core.flips import flip_counts
from regnas_core.flips.intervals import rate_interval
from regnas_core.reproduction.explorer import build, packing, write_explorer

IMAGES = 330  # not a multiple of 32, nor of 64
needs_browser = pytest.mark.skipif(chromium.FOUND is None, reason="no chromium here")


@pytest.fixture(scope="module")
def whole() -> list[rc.TabularBenchmark]:
    sizes = {"search": 900, "test": 1000}
    some = {split: np.arange(size) for split, size in sizes.items()}
    return [rc.load_tabular("demo", training).take(some) for training in (0, 1)]


@pytest.fixture(scope="module")
def trainings(whole) -> list[rc.TabularBenchmark]:
    """On the images that the page keeps."""
    places = packing.spread(whole, IMAGES)
    return [table.take(places) for table in whole]


@pytest.fixture(scope="module")
def table(trainings):
    return trainings[0]


@pytest.fixture(scope="module")
def pictures(whole) -> ImageSet:
    """Grey squares in place of the glyphs."""
    labels = whole[0].labels("test").astype(np.int64)
    pixels = np.tile(labels.astype(np.uint8)[:, None, None, None] * 12, (1, 1, 32, 32))
    return ImageSet(pixels, labels, tuple("ABCDEFGHJKLMNPRSTUXY"), "toy/test")


@pytest.fixture(scope="module")
def page(tmp_path_factory, whole, pictures):
    if chromium.FOUND is None:
        pytest.skip("no chromium here")
    ready = {f"demo-{training}": table for training, table in enumerate(whole)}
    home = tmp_path_factory.mktemp("explorer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "find_pictures", lambda found: pictures)
        patch.setattr(build, "load_tabular", lambda file: ready[file.stem])
        path = write_explorer(home / "explorer.html", list(ready), images=IMAGES, pictures=64)
    with chromium.Chromium(home / "browser") as browser:
        browser.address = path.as_uri()
        browser.open(browser.address, "explorer.ready")
        yield browser


@pytest.fixture
def fresh(page):
    """The page as it opens without a setting in its address."""
    again(page)
    yield page
    assert not page.errors


def address(page) -> str:
    """The setting in the address, once it has followed."""
    return page.run("new Promise((done) => setTimeout(() => done(location.hash), 300))")


def again(page, setting: str = "#") -> None:
    """As if the page were opened with a setting in its address."""
    page.run(f"history.replaceState(null, '', '{setting}'), explorer.restore()")


def count_on(page, split: str) -> None:
    page.run(f"document.querySelector('[name=split][value={split}]').click()")


def move(page, control: str, value: object, event: str = "input") -> None:
    page.run(
        f"(() => {{ const c = document.getElementById('{control}'); c.value = {value!r};"
        f" c.dispatchEvent(new Event('{event}')) }})()"
    )


def arch(table, page, which: str):
    """The architecture of explorer's `state.reference` or `view.best`, by its genes."""
    places = page.run(f"Array.from(explorer.state.table.places(explorer.{which}))")
    return table.archs[table.grid.tolist().index(places)]


def text(page, name: str) -> str:
    return page.run(f"document.getElementById('{name}').textContent").replace("\xa0", " ")


def test_counts_of_all_networks(fresh, table):
    reference = arch(table, fresh, "state.reference")
    for split in ("search", "test"):
        right = fresh.run(f"Array.from(explorer.state.table.counts.{split})")
        flips = fresh.run(f"Array.from(explorer.view.flips.{split})")
        np.testing.assert_array_equal(np.array(right) / IMAGES, table.top1(split))
        np.testing.assert_array_equal(np.array(flips) / IMAGES, table.nfr(reference, split))
    inside = fresh.run("Array.from(explorer.view.containing)")
    np.testing.assert_array_equal(np.array(inside, bool), table.containing(reference))
    np.testing.assert_array_equal(fresh.run("Array.from(explorer.state.table.macs)"), table.macs)


def test_it_opens_with_the_most_accurate_network_of_twice_the_least_macs(fresh, table):
    least = table.macs.min()
    assert arch(table, fresh, "state.reference") == table.best("R0", max_cost=2 * least)


@pytest.mark.parametrize("cas", [True, False])
@pytest.mark.parametrize("least", [0, 1_000_000])
def test_the_best_is_the_tables_best(fresh, table, cas, least):
    move(fresh, "small", 800_000)
    move(fresh, "max", 1_700_000)
    move(fresh, "min", least)
    if cas:
        fresh.run("document.getElementById('cas').click()")
    reference = arch(table, fresh, "state.reference")
    assert reference == table.best("R0", max_cost=800_000)
    limits = {"max_cost": 1_700_000, "min_cost": least, "containing": reference if cas else None}
    found = set()
    for place, reward in ((0, "R0"), (5, "R2"), (11, "R1"), (3, (1.0, 0.5)), (10, (1.0, 10.0))):
        move(fresh, "lambda", place)
        found.add(best := table.best(reward, reference, **limits))
        assert arch(table, fresh, "view.best") == best
    assert len(found) > 1


def test_what_is_said_of_the_best_is_counted_on_the_images_asked_for(fresh, table):
    count_on(fresh, "test")
    reference, best = arch(table, fresh, "state.reference"), arch(table, fresh, "view.best")
    small, large = table.right("test", [reference, best]).astype(int)
    counts = flip_counts(small, large, np.ones(IMAGES, int))
    low, high = rate_interval(counts.negative, IMAGES)
    for rate in (counts.target_top1, counts.nfr, low, high):
        assert f"{100 * rate:.2f} %" in text(fresh, "shown-says")
    shown = [int(text(fresh, name)) for name in ("both", "negative", "positive", "neither")]
    assert shown == list(vars(counts).values())
    assert f"{counts.negative} of {IMAGES} pictures" in text(fresh, "pictures-say")
    assert f"{100 * counts.reference_top1:.2f} %" in text(fresh, "numbers")
    shared = table.space.shared_weights(best, reference) / table.space.params(reference)
    assert f"shares {int(100 * shared)} % of them" in text(fresh, "shared-says")
    assert f"{table.space.params(best) / table.space.params(reference):.2f} times" in text(
        fresh, "shared-says"
    )


def test_it_says_of_how_many_pictures_it_counts(fresh):
    chosen, judged = "330 of 900 pictures to choose with", "330 of 1,000 pictures to judge with"
    easy_to_hard = "evenly from easy to hard"
    assert f"keeps {chosen} and {judged}, {easy_to_hard}. Numbers here lie within" in text(fresh, "kept")
    assert f"{chosen}, {easy_to_hard}" in text(fresh, "counted-on")
    count_on(fresh, "test")
    assert f"{judged}, {easy_to_hard}" in text(fresh, "counted-on")


def test_the_same_counts_in_python(fresh, table, whole, monkeypatch):
    monkeypatch.setattr(rc, "load_tabular", lambda name, training: {"demo": whole}[name][training])
    exec(text(fresh, "python"), names := {})
    for split in ("search", "test"):
        np.testing.assert_array_equal(names["table"].top1(split), table.top1(split))


@pytest.mark.parametrize(("place", "reward"), [(0, (1.0, 0.0)), (5, "R2"), (11, "R1")])
def test_luck_is_what_the_best_loses_beyond_all_that_it_was_chosen_from(fresh, table, place, reward):
    move(fresh, "lambda", place)
    assert text(fresh, "luck") == ""
    count_on(fresh, "test")
    reference, most = arch(table, fresh, "state.reference"), fresh.run("explorer.state.max")
    rivals = table.within(max_cost=most, exclude=[reference])
    lost = 100 * (table.rewards(reward, reference) - table.rewards(reward, reference, "test"))
    rows = [table.row(arch(table, fresh, "view.best"))]
    rows += [int(np.flatnonzero(rivals)[i]) for i in np.argsort(lost[rivals])[[0, -1]]]
    for row in rows:
        fresh.run(f"explorer.look({row})")
        own, average, said = lost[row], lost[rivals].mean(), text(fresh, "luck")
        assert f"it {'loses' if own >= 0 else 'gains'} {abs(own):.2f} points" in said
        assert f"allowed networks {'lose' if average >= 0 else 'gain'} {abs(average):.2f} points" in said
        beyond = f"Only the {own - average:.2f} points by which it falls behind"
        assert (beyond if own > average else "no more than they do") in said


def test_flipped_pictures_are_of_the_classes_they_are_named(fresh, table, trainings, pictures):
    reference, best = arch(table, fresh, "state.reference"), arch(table, fresh, "view.best")
    small, large = table.right("test", [reference, best])
    flipped = fresh.run("explorer.state.table.flipped(explorer.state.reference, explorer.view.best, 'test')")
    assert flipped == np.flatnonzero(small & ~large).tolist()
    share = np.mean([each.right("test").mean(0) for each in trainings], 0)
    kept = set(np.argsort(-share * (1 - share), kind="stable")[:64])
    labels = table.labels("test")
    names = [pictures.classes[labels[i]] for i in flipped if i in kept]
    assert fresh.run("[...document.querySelectorAll('#pictures li')].map((p) => p.textContent)") == names


def test_shared_weights_of_any_two(fresh, table):
    pairs = np.random.default_rng(0).integers(len(table), size=(40, 2)).tolist()
    counted = fresh.run(
        f"{pairs}.map((pair) => pair.map((row) => Array.from(explorer.state.table.places(row))))"
        ".map(([a, b]) => [a, b].map((p) => explorer.state.table.row(p.join(''))))"
        ".map(([a, b]) => explorer.state.table.sharedWeights(a, b))"
    )
    assert counted == [table.space.shared_weights(table.archs[a], table.archs[b]) for a, b in pairs]


def test_a_search_keeps_the_rules(fresh, table):
    fresh.run("for (let i = 0; i < 25; i++) document.getElementById('step').click()")
    reference = arch(table, fresh, "state.reference")
    rows = fresh.run("explorer.view.evolution.rows")
    course = fresh.run("explorer.view.evolution.course")
    allowed = table.within(max_cost=fresh.run("explorer.state.max"), exclude=[reference])
    values = table.rewards("R2", reference)
    assert len(rows) == len(set(rows)) == 100 + 19 * 75
    assert allowed[rows].all()
    ends = [100 + 75 * i for i in range(20)]
    np.testing.assert_allclose(course, [values[rows[:end]].max() for end in ends], atol=1e-12)
    assert "Generation 20: 1,525 of" in text(fresh, "search-says")


def test_searches_find_the_optimum_and_differ_by_their_seed(fresh, table):
    reference = arch(table, fresh, "state.reference")
    most = fresh.run("explorer.state.max")
    values, best = table.rewards("R2", reference), table.best("R2", reference, max_cost=most)
    ends, firsts = [], set()
    for seed in range(1, 6):
        move(fresh, "seed", seed, "change")
        fresh.run("for (let i = 0; i < 20; i++) document.getElementById('step').click()")
        ends.append(fresh.run("explorer.view.evolution.course.at(-1)"))
        firsts.add(tuple(fresh.run("explorer.view.evolution.rows.slice(0, 5)")))
    assert np.mean(np.isclose(ends, values[table.row(best)])) >= 0.6  # Python's: about as often
    assert len(firsts) == 5


def test_counting_on_others_keeps_the_chosen_network_and_the_search(fresh):
    fresh.run("for (let i = 0; i < 20; i++) document.getElementById('step').click()")
    fresh.run("document.querySelector('#ten tr:nth-child(5) button').click()")
    look = "[explorer.view.shown, explorer.view.evolution.course, explorer.plot.view.search.rows.length]"
    before, said = fresh.run(look), text(fresh, "search-says")
    count_on(fresh, "test")
    assert fresh.run(look) == before and before[0] == fresh.run("explorer.view.rows[4]")
    assert text(fresh, "search-says") == said and "Generation 20" in said
    assert text(fresh, "shown-title") == "The network you chose"
    move(fresh, "seed", 2, "change")
    assert fresh.run("explorer.view.shown") == before[0]
    assert fresh.run("explorer.view.evolution.course") == []
    move(fresh, "lambda", 0)
    assert fresh.run("explorer.view.shown === explorer.view.best")


def test_a_running_search_goes_on_counting_on_others(fresh):
    fresh.run("document.getElementById('run').click()")
    count_on(fresh, "test")
    assert text(fresh, "run") == "Pause" and fresh.run("explorer.timer") is not None
    fresh.run("document.getElementById('run').click()")


def test_a_search_within_the_constraint_ends_when_all_were_seen(fresh, table):
    fresh.run("document.getElementById('cas').click()")
    fresh.run("for (let i = 0; i < 20; i++) document.getElementById('step').click()")
    reference, most = arch(table, fresh, "state.reference"), fresh.run("explorer.state.max")
    inside = table.within(max_cost=most, containing=reference, exclude=[reference])
    assert sorted(fresh.run("explorer.view.evolution.rows")) == np.flatnonzero(inside).tolist()
    assert "No new one is left" in text(fresh, "search-says")


def test_an_address_brings_a_setting_back(fresh, table):
    move(fresh, "small", 900_000)
    move(fresh, "lambda", 8)
    fresh.run("document.getElementById('cas').click()")
    kept, best = address(fresh), arch(table, fresh, "view.best")
    again(fresh)
    assert arch(table, fresh, "view.best") != best
    fresh.open("about:blank")
    fresh.open(fresh.address + kept, "explorer.ready")
    assert address(fresh) == kept
    assert arch(table, fresh, "view.best") == best
    assert fresh.run("document.getElementById('cas').checked")


def test_nonsense_in_an_address_leaves_the_default(fresh):
    usual = address(fresh)
    again(fresh, "#table=none&small=999&max=-4&min=x&lambda=7.7&cas=2&on=train&seed=a")
    assert address(fresh) == usual
    for seed in (0, 10_000, -1):
        again(fresh, f"#seed={seed}")
        assert fresh.run("explorer.state.seed") == 1
    again(fresh, "#max=999999999999&min=999999999999")
    assert fresh.run("[explorer.state.max, explorer.state.min].join()") == ",".join(
        [_value(fresh, "max")] * 2
    )


def _value(page, control: str) -> str:
    return page.run(f"document.getElementById('{control}').value")


def switch_table(page, name: str) -> None:
    move(page, "table", name, "change")
    look = f"const look = () => explorer.state.table.name === '{name}' ? done() : setTimeout(look, 20)"
    page.run(f"new Promise((done) => {{ {look}; look() }})")


def test_another_table_is_another_training(fresh, trainings):
    switch_table(fresh, "demo-1")
    right = fresh.run("Array.from(explorer.state.table.counts.test)")
    np.testing.assert_array_equal(np.array(right) / IMAGES, trainings[1].top1("test"))


def test_another_table_keeps_the_settings(fresh, trainings):
    costs = {"small": 900_000, "max": 1_700_000, "min": 400_000}
    for control, cost in costs.items():
        move(fresh, control, cost)
    move(fresh, "lambda", 8)
    fresh.run("document.getElementById('cas').click()")
    count_on(fresh, "test")
    look = "['budget', 'max', 'min', 'lambda', 'cas', 'split'].map((name) => explorer.state[name])"
    before = fresh.run(look)
    for name, table in zip(("demo-1", "demo-0"), reversed(trainings), strict=True):
        switch_table(fresh, name)
        assert fresh.run(look) == before
        assert [int(_value(fresh, control)) for control in costs] == list(costs.values())
        assert arch(table, fresh, "state.reference") == table.best("R0", max_cost=900_000)
        assert f"table={name}&" in address(fresh)


def test_another_table_keeps_a_small_network_that_was_chosen(fresh, table):
    """The least accurate one of all: no other choice leads to it."""
    again(fresh, f"#small={''.join(map(str, table.grid[table.top1('search').argmin()]))}")
    before = arch(table, fresh, "state.reference")
    switch_table(fresh, "demo-1")
    assert arch(table, fresh, "state.reference") == before


def test_where_nothing_is_allowed_it_says_so(fresh, table):
    move(fresh, "max", int(table.macs.min() // 10_000 * 10_000))
    fresh.run("document.getElementById('cas').click()")
    assert text(fresh, "shown-title") == "No network is allowed"
    assert "Raise what the large one may cost" in text(fresh, "shown-says")
    assert fresh.run("document.getElementById('run').disabled")


def test_the_plot_goes_by_keys(fresh, table):
    fresh.run("document.getElementById('marks').focus()")
    first = fresh.run("explorer.view.shown")
    fresh.press("ArrowDown")
    second = fresh.run("explorer.view.shown")
    assert second != first and table.top1("search")[second] < table.top1("search")[first]
    assert "The network you chose" in text(fresh, "shown-title")
    fresh.press("Escape")
    assert fresh.run("explorer.view.shown") == first
    fresh.press("ArrowDown")
    fresh.press("Enter")
    assert arch(table, fresh, "state.reference") == table.archs[second]


def test_every_control_and_picture_has_a_name(fresh):
    unnamed = fresh.run(
        "[...document.querySelectorAll('input, select, button, [role=img], canvas:not([aria-hidden])')]"
        ".filter((e) => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))"
        ".map((e) => e.outerHTML)"
    )
    assert unnamed == []
    roles = ("slider", "combobox", "checkbox", "radio", "button", "spinbutton", "image", "img", "link")
    nodes = fresh.send("Accessibility.getFullAXTree")["nodes"]  # as a screen reader is told
    named = [
        (node["role"]["value"], node["name"]["value"].strip())
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in roles
    ]
    assert len(named) > 20 and [role for role, name in named if not name] == []
    assert any(role == "slider" and "flips count" in name for role, name in named)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_fits_and_the_text_is_easily_read(fresh, width, scheme):
    fresh.view(width, 900, scheme)
    assert fresh.run("document.documentElement.scrollWidth") <= width
    colour = "getComputedStyle(document.documentElement).getPropertyValue('--{}').trim()"
    text_colour, card = (fresh.run(colour.format(name)) for name in ("muted", "card"))
    assert chromium.contrast(*(bytes.fromhex(c[1:]) for c in (text_colour, card))) >= 4.5  # WCAG 2.1, AA


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("cas", [True, False])
def test_every_network_is_in_the_picture_and_can_be_seen(fresh, scheme, cas):
    fresh.view(1280, 900, scheme)
    if cas:
        fresh.run("document.getElementById('cas').click()")
    fresh.run("new Promise((done) => setTimeout(done, 700))")
    left, right, low, high = fresh.run("Array.from(explorer.plot.range)")
    x, y = (np.array(fresh.run(f"Array.from(explorer.plot.{axis})")) for axis in "xy")
    assert left <= x.min() and x.max() <= right and low <= y.min() and y.max() <= high
    drawn = fresh.run(
        "(() => { const p = explorer.plot, ink = p.cloud.getContext('2d');"
        " const { width, height, data } = ink.getImageData(0, 0, p.cloud.width, p.cloud.height);"
        " const found = new Set(); explorer.view.may.forEach((yes, row) => { if (yes) return;"
        " const at = 4 * (Math.floor(p.py(p.y[row])) * width + Math.floor(p.px(p.x[row])));"
        " found.add(Array.from(data.subarray(at, at + 4)).join()) }); return [...found] })()"
    )
    card = fresh.run("getComputedStyle(document.documentElement).getPropertyValue('--card').trim()")
    back = np.array([int(card[i : i + 2], 16) for i in (1, 3, 5)])
    for colour in drawn:
        *ink, opaque = map(int, colour.split(","))
        mixed = np.round(opaque / 255 * np.array(ink) + (1 - opaque / 255) * back).astype(int)
        assert chromium.contrast(mixed, bytes.fromhex(card[1:])) >= 2


def test_what_a_search_draws_is_in_the_legend(fresh):
    shown = (
        "[...document.querySelectorAll('.legend li')].filter((e) => e.offsetParent).map((e) => e.textContent)"
    )
    before = fresh.run(shown)
    fresh.run("document.getElementById('step').click()")
    assert fresh.run(shown) == [*before, "tried by the search", "tried last", "its best 25"]


def test_what_is_drawn_follows_the_colour_scheme(fresh):
    marks = "explorer.plot.marks.toDataURL()"
    fresh.view(800, 600, "light")
    fresh.run("new Promise((done) => setTimeout(done, 300))")
    light = fresh.run(marks)
    fresh.view(800, 600, "dark")
    until = time.monotonic() + 20
    while fresh.run(marks) == light:
        assert time.monotonic() < until, "nothing was drawn anew"
        time.sleep(0.05)


def test_genes_say_what_is_shared_added_and_lost(fresh):
    """A small network of 2 layers a stage, kernel 3, half the channels; others of 3 and of 1 layers."""
    small, larger, smaller = "000111111", "111222222", "000000000"
    again(fresh, f"#small={small}")
    count = "['kept', 'new', 'lost'].map((kind) => document.querySelectorAll(`#genes rect.${kind}`).length)"
    read = "[...document.querySelectorAll('#genes text:not(.stage)')].slice(0, 3).map((e) => e.textContent)"

    def bars(genes: str) -> list:
        fresh.run(f"explorer.look(explorer.state.table.row('{genes}'))")
        return [*fresh.run(count), *fresh.run(read)]

    assert bars(larger) == [6, 9, 0, "3→5", "3→5", "5×5"]
    assert bars(smaller) == [3, 0, 6, "3×3", "3×3 gone", "3×3"]


@pytest.mark.parametrize("networks", [1, 31, 45])
def test_bits_are_turned(fresh, networks):
    bits = np.random.default_rng(networks).random((networks, 70)) < 0.5
    rows = np.packbits(bits.T, axis=1, bitorder="little")
    fresh.run(f"globalThis.rows = Uint8Array.from({rows.ravel().tolist()})")
    words = fresh.run(f"Array.from(explorer.turned(rows, {networks}, 70))")
    found = np.array(words, "<u4").reshape(networks, 3).view(np.uint8)
    np.testing.assert_array_equal(np.unpackbits(found, axis=1, count=70, bitorder="little"), bits)


# ── without a browser
def test_scripts_are_put_together_with_unique_names_and_no_imports_left():
    script = build.bundle("main.js")
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    names = re.findall(r"^(?:async )?(?:function|class|const) (\w+)", script, re.MULTILINE)
    assert len(names) == len(set(names))
    assert all(f"// ── {path.name}\n" in script for path in build.PAGE.glob("*.js"))


@pytest.fixture
def own(monkeypatch):
    """A small table of someone's own in place of the packaged ones."""
    made = tables.table()
    made.info.update(dataset="mine", classes=[str(i) for i in range(20)])
    monkeypatch.setattr(build, "load_tabular", lambda file: made)
    return "folder/own.npz"


def test_a_page_of_your_own_table_asks_for_nothing_from_elsewhere(tmp_path, own):
    page = write_explorer(tmp_path / "page.html", [own], images=64).read_text("utf-8")
    assert '"name":"own","title":"own"' in page and r"rc.load_tabular(\"own.npz\")" in page
    assert re.findall(r'<a href="([^"]+)"', page) == ["https://arxiv.org/abs/2209.13740"]
    page = re.sub(r'<a href="[^"]+"', "", page)  # followed when a person wants to
    assert not re.search(r'(src|href)="|url\((?!\$)|https?://(?!www\.w3\.org/2000/svg")', page)


def test_a_page_beside_the_sites_pages_leads_to_them(tmp_path, own):
    for name in ("index.html", "glossary.html"):
        (tmp_path / name).touch()
    page = write_explorer(tmp_path / "page.html", [own], images=64).read_text("utf-8")
    assert re.findall(r'<a href="([^":]+)"', page) == ["index.html", "glossary.html"]


def test_a_page_that_would_be_too_large_is_refused(tmp_path, own, monkeypatch):
    monkeypatch.setattr(build, "LARGEST", 10_000)
    with pytest.raises(DataError, match=r"more than 10,000. Take fewer images \(here 64 a split\)"):
        write_explorer(tmp_path / "page.html", [own], images=64)
    assert not (tmp_path / "page.html").exists()


def test_pictures_of_other_images_are_refused(table, pictures, monkeypatch):
    from types import SimpleNamespace

    monkeypatch.setattr(packing, "load_dataset", lambda *_, **__: SimpleNamespace(test=pictures))
    with pytest.raises(DataError, match="are not those of the tables"):
        packing.find_pictures([table])


def test_a_space_whose_containment_is_not_read_off_its_genes_is_refused():
    other = tables.table("mini-resnet")
    assert not other.space.by_genes
    with pytest.raises(DataError, match="larger genes contain smaller ones"):
        packing.pack_table("own", "own", other, packing.spread([other], 64))


def test_shared_weights_that_do_not_add_up_are_refused(monkeypatch):
    monkeypatch.setattr(packing, "_sum", lambda *_: 1)
    with pytest.raises(DataError, match="no sum over stages"):
        packing.shared_weights(tables.table().space)


@needs_browser
@pytest.mark.slow
def test_the_whole_page_is_small_and_opens(tmp_path):
    path = write_explorer(tmp_path / "explorer.html")
    assert path.stat().st_size <= 5_000_000
    with chromium.Chromium(tmp_path / "browser") as browser:
        browser.open(path.as_uri() + "#table=demo-0", "explorer.ready")
        images = browser.run("explorer.state.table.images.test")
        assert images >= 512
        tables = [rc.load_tabular("demo", training) for training in range(3)]
        kept = tables[0].take(packing.spread(tables, images))
        right = browser.run("Array.from(explorer.state.table.counts.test)")
        np.testing.assert_array_equal(np.array(right) / images, kept.top1("test"))
        assert browser.run("document.querySelectorAll('#pictures li').length") >= 20
        assert not browser.errors
