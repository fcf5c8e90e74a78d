"""Importing WebShop's own files makes the goals, prices and pages that upstream makes of them."""

import gzip
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.environment import ShopOptions, WebShop
from rro.tasks.environments.webshop.postings import Postings, PostingsBuilder, in_folder
from rro.tasks.environments.webshop.prepare import Sources, prepare
from rro.tasks.environments.webshop.raw import JsonStream
from rro.tasks.environments.webshop.verify import find_recordings, verify
from rro.tasks.errors import UserError
from tests.environments.contract import check_environment

FOLDER = Path(__file__).parents[3] / "shared/benchmarks/webshop"
real = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no WebShop data in {FOLDER}")
KEYS = (
    *("asin", "name", "full_description", "small_description", "customization_options", "images"),
    *("product_category", "category", "query", "average_rating"),
)

Row = dict[str, Any]


def shared_rows(stem: str) -> list[Row]:
    (path,) = FOLDER.glob(f"{stem}*.jsonl.gz")
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().split("\n") if line]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """The 1,000 products as upstream's own files have them: raw keys, prices as text."""
    folder = tmp_path_factory.mktemp("raw")
    loaded = [row["product"] for row in shared_rows("products_1k")]
    rows = [
        {
            **{key: row[key] for key in KEYS},
            "pricing": "".join(f"${price:,.2f} to " for price in row["pricing"]),
        }
        for row in loaded
    ]
    (folder / "items_shuffle_1000.json").write_text(json.dumps(rows))
    human = {row["asin"]: row["instructions"] for row in loaded if "instructions" in row}
    (folder / "items_human_ins.json").write_text(json.dumps(human))
    return Sources(
        folder / "items_shuffle_1000.json",
        FOLDER / "items_ins_v2_1000.json.gz",
        folder / "items_human_ins.json",
    )


@pytest.fixture(scope="module")
def imported(raw: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "shop"
    (nouns,) = FOLDER.glob("title_nouns*")
    prepare(raw, out, nouns=str(nouns))
    return out


def written(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


@real
@pytest.mark.parametrize(("kind", "count"), [("human", 13), ("synthetic", 6910)])
def test_goals_are_upstreams_bounds_and_order_included(imported: Path, kind: str, count: int) -> None:
    goals, recorded = written(imported / f"goals_{kind}.jsonl"), shared_rows(f"goals_{kind}")
    assert len(goals) == count
    assert goals == [{key: row[key] for key in goals[0]} for row in recorded]


@real
def test_prices_of_ranges_are_those_of_upstream_with_the_same_seed(imported: Path) -> None:
    recorded = json.loads(gzip.decompress((FOLDER / "product_prices_seed233.json.gz").read_bytes()))
    shop = Catalogue.load(str(imported))
    assert {product.asin: product.price for product in shop.products} == recorded
    assert sum("price" in row for row in written(imported / "products.jsonl")) == 93


@real
def test_the_imported_shop_passes_every_recording(imported: Path) -> None:
    checks = list(verify(Catalogue.load(str(imported)), find_recordings(FOLDER)))
    assert len(checks) == 4370
    assert [check for check in checks if check.difference] == []


@real
def test_about_says_what_it_was_made_from(imported: Path) -> None:
    about = json.loads((imported / "about.json").read_text())
    assert about["sources"]["attributes"] == {
        "name": "items_ins_v2_1000.json.gz",
        "bytes": 24826,
        "sha256": "185ed9ba489c60545b571b378ce430f83b43d5637a6c8691ca3783123cd122ac",
    }
    assert about["nouns"] == "table title_nouns_en_core_web_sm_3.8.json.gz"
    assert about["counts"] == {
        "products": 1000,
        "products with a price range": 93,
        "human goals": 13,
        "synthetic goals": 6910,
    }
    assert about["left out"] == {}


@real
def test_a_limit_keeps_the_first_goals_and_another_seed_changes_only_the_draws(
    raw: Sources, imported: Path, tmp_path: Path
) -> None:
    prepare(raw, tmp_path / "out", seed=7, nouns="words", synthetic_limit=100)
    few, every = (written(folder / "goals_synthetic.jsonl") for folder in (tmp_path / "out", imported))
    assert len(few) == 100
    drawn = ("price_upper", "instruction_text")
    for key in set(every[0]) - set(drawn):
        assert [row[key] for row in few] == [row[key] for row in every[:100]]
    assert [row["price_upper"] for row in few] != [row["price_upper"] for row in every[:100]]
    about = json.loads((tmp_path / "out/about.json").read_text())
    assert about["left out"] == {"synthetic goals over the limit": 6810}


PRODUCT: Row = {
    "asin": "B0RAWS0001",
    "name": "The Raw Blue Mug, 2 Pack",
    "full_description": "A mug.\u2028For tea. \ud83d",
    "pricing": "$5.00 to $7.00",
    "small_description": ["One.", "Two."],
    "product_category": "Home › Kitchen",
    "customization_options": {
        "Size": [{"value": " S/M "}, {"value": "L", "image": "x"}],
        "Color": [{"value": "Red"}, {"value": "Blue"}],
        "Style": None,
    },
    "category": "kitchen",
    "query": " Mugs ",
    "list_price": float("nan"),
}
ATTRIBUTES: Row = {
    "B0RAWS0001": {
        "attributes": ["hand made"],
        "instruction": "Find me mugs",
        "instruction_attributes": ["hand made"],
    }
}
HUMAN: Row = {
    "B0RAWS0001": [
        {
            "instruction": "a mug..",
            "instruction_attributes": ["hand made"],
            "instruction_options": ["blue"],
            "worker_id": "A1",
        },
        {"instruction": "nothing", "instruction_attributes": [], "instruction_options": []},
    ],
    "B0NONE0001": [{"instruction": "x", "instruction_attributes": ["y"], "instruction_options": []}],
}


def raw_files(folder: Path, products: Any, attributes: Any = ATTRIBUTES, human: Any = HUMAN) -> Sources:
    folder.mkdir(exist_ok=True)
    for name, value in (("items.json", products), ("ins.json", attributes), ("human.json", human)):
        (folder / name).write_text(value if isinstance(value, str) else json.dumps(value))
    return Sources(*(folder / name for name in ("items.json", "ins.json", "human.json")))


def make(folder: Path, products: Any, *files: Any, **options: Any) -> Catalogue:
    sources = raw_files(folder / "raw", products, *files)
    prepare(sources, folder / "out", **{"nouns": "words", **options})
    return Catalogue.load(str(folder / "out"))


def test_a_raw_product_is_read_as_upstream_reads_it(tmp_path: Path) -> None:
    (product,) = make(tmp_path, [PRODUCT]).products
    assert product.options == {"size": ("s | m", "l"), "color": ("red", "blue")}
    assert product.price_text == "$5.0 to $7.0"
    assert 5 <= product.price <= 7
    assert (product.query, product.attributes) == ("mugs", ("hand made",))
    assert product.description == "A mug.\u2028For tea. ?"
    assert product.nouns == ("raw", "blue", "mug", "pack")


def test_goals_are_made_of_options_in_order_of_their_names(tmp_path: Path) -> None:
    shop = make(tmp_path, [PRODUCT])
    goals = {goal.id: goal for goal in shop.goals}
    assert len(goals) == 1 + 4
    synthetic = {goal.options for goal in goals.values() if goal.id.startswith("synthetic")}
    assert (("color", "red"), ("size", "s | m")) in synthetic
    human = goals["human-0"]
    assert human.instruction == f"a mug, and price lower than {human.price_upper:.2f} dollars"
    left_out = json.loads((tmp_path / "out/about.json").read_text())["left out"]
    assert left_out == {
        "human instructions without attributes": 1,
        "human instructions without a product": 1,
    }


def test_upstreams_left_out_products_are_left_out(tmp_path: Path) -> None:
    others = [
        {"asin": "nan"},
        {"asin": "B0TOOLONG01"},
        {**PRODUCT, "name": "Second"},
        {**PRODUCT, "asin": "B0RAWS0002", "name": "Third", "pricing": None, "customization_options": ""},
    ]
    shop = make(tmp_path, [PRODUCT, *others])
    assert [product.title for product in shop.products] == [PRODUCT["name"], "Third"]
    assert shop.products[1].price_text == "$100.0"
    assert shop.products[1].attributes == ("DUMMY_ATTR",)
    left_out = json.loads((tmp_path / "out/about.json").read_text())["left out"]
    assert left_out["products whose ASIN is nan or too long"] == 2
    assert left_out["products whose ASIN came before"] == 1


@pytest.mark.parametrize("shape", ["array", "lines", "loaded", "packed", "marked", "pretty"])
def test_every_shape_of_file_is_read_alike(tmp_path: Path, shape: str) -> None:
    rows = [{**PRODUCT, "asin": f"B0RAWS{number:04d}"} for number in range(1, 40)]
    texts = {
        "lines": "\n".join(map(json.dumps, rows)),
        "loaded": "\n".join(json.dumps({"id": row["asin"], "product": row}) for row in rows),
        "marked": "\ufeff" + json.dumps(rows),
        "pretty": json.dumps(rows, indent=3),
    }
    sources = raw_files(tmp_path / "raw", texts.get(shape, json.dumps(rows)))
    if shape == "packed":
        sources.products.write_bytes(gzip.compress(sources.products.read_bytes()))
    prepare(sources, tmp_path / "out", nouns="words")
    assert len(written(tmp_path / "out/products.jsonl")) == 39


@pytest.mark.parametrize(
    ("products", "attributes", "human", "message"),
    [
        ("[{}", ATTRIBUTES, HUMAN, r"items.json, product 1: no ASIN"),
        ("[" + json.dumps(PRODUCT), ATTRIBUTES, HUMAN, r"items.json: not JSON.*after \d+ characters"),
        ("[1 2]", ATTRIBUTES, HUMAN, "product 1: no ASIN"),
        (json.dumps([PRODUCT]) + "x", ATTRIBUTES, HUMAN, "something follows after the end"),
        ("[]", ATTRIBUTES, HUMAN, "no product in it"),
        ([{**PRODUCT, "name": None}], ATTRIBUTES, HUMAN, "B0RAWS0001: 'name' must hold text"),
        ([{**PRODUCT, "pricing": "soon"}], ATTRIBUTES, HUMAN, "B0RAWS0001: no price in pricing 'soon'"),
        ([{**PRODUCT, "pricing": "$1.2.3"}], ATTRIBUTES, HUMAN, "B0RAWS0001: no price in pricing"),
        ([{**PRODUCT, "customization_options": {"a": [1]}}], ATTRIBUTES, HUMAN, "B0RAWS0001: cannot be read"),
        ([PRODUCT], "{", HUMAN, "ins.json: not JSON"),
        ([PRODUCT], '{"B0RAWS0001": 3}', HUMAN, "ins.json, product B0RAWS0001: an object is needed, not 3"),
        ([PRODUCT], {}, {"B0RAWS0001": [{}]}, "--human-goals, product B0RAWS0001: an instruction needs"),
        ([PRODUCT], {}, {}, "no goal could be made"),
    ],
)
def test_files_that_are_not_upstreams_are_refused_by_name_and_leave_nothing(
    tmp_path: Path, products: Any, attributes: Any, human: Any, message: str
) -> None:
    sources = raw_files(tmp_path / "raw", products, attributes, human)
    with pytest.raises(UserError, match=message):
        prepare(sources, tmp_path / "out", nouns="words")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    sources = raw_files(tmp_path / "raw", [PRODUCT])
    sources.products.write_bytes(gzip.compress(sources.products.read_bytes())[:-9])
    with pytest.raises(UserError, match=r"items.json: damaged"):
        prepare(sources, tmp_path / "out", nouns="words")


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="exists already; name a new folder"):
        prepare(raw_files(tmp_path / "raw", [PRODUCT]), tmp_path / "out")


def test_an_index_of_other_products_is_refused(tmp_path: Path) -> None:
    make(tmp_path, [PRODUCT])
    path = tmp_path / "out/products.jsonl"
    path.write_text(path.read_text().replace("Blue", "Grey"))
    with pytest.raises(UserError, match=r"products.jsonl was changed after the import"):
        Catalogue.load(str(tmp_path / "out"))


def test_nouns_come_from_a_table_that_lists_every_product(tmp_path: Path) -> None:
    table = tmp_path / "nouns.json"
    table.write_text('{"B0RAWS0001": ["mug"]}')
    assert make(tmp_path, [PRODUCT], nouns=str(table)).products[0].nouns == ("mug",)
    table.write_text('{"B0OTHER001": ["mug"]}')
    with pytest.raises(UserError, match="does not list product B0RAWS0001"):
        prepare(raw_files(tmp_path / "raw", [PRODUCT]), tmp_path / "again", nouns=str(table))


def test_spacy_is_asked_for_by_name_where_it_is_not_installed(tmp_path: Path) -> None:
    try:
        import spacy  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match=r"pip install 'rro\[spacy\]'"):
            prepare(raw_files(tmp_path / "raw", [PRODUCT]), tmp_path / "out", nouns="spacy")
    else:
        with pytest.raises(UserError, match="python -m spacy download no_such_model"):
            prepare(raw_files(tmp_path / "raw", [PRODUCT]), tmp_path / "out", spacy_model="no_such_model")


@real
def test_spacy_tells_the_nouns_of_the_recorded_table(raw: Sources, tmp_path: Path) -> None:
    pytest.importorskip("en_core_web_sm", reason="spaCy's en_core_web_sm is not installed")
    prepare(raw, tmp_path / "out")
    (path,) = FOLDER.glob("title_nouns*")
    table = json.loads(gzip.decompress(path.read_bytes()))
    found = {row["asin"]: row["nouns"] for row in written(tmp_path / "out/products.jsonl")}
    assert sum(found[asin] == nouns for asin, nouns in table.items()) >= 0.99 * len(table)


VALUES = st.recursive(
    st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(deadline=None)
@given(
    values=st.lists(st.lists(VALUES) | st.text(), max_size=5),
    chunk=st.integers(1, 9),
    indent=st.none() | st.just(2),
)
def test_values_are_read_whole_wherever_the_text_is_cut(
    values: list[Any], chunk: int, indent: int | None
) -> None:
    def stream(value: Any) -> JsonStream:
        return JsonStream(io.StringIO(json.dumps(value, indent=indent)), Path("x"), chunk)

    assert list(stream(values).array()) == values
    keyed = {str(number): value for number, value in enumerate(values)}
    assert dict(stream(keyed).object()) == keyed


DOCUMENTS = st.lists(st.dictionaries(st.text("abc", max_size=2), st.integers(1, 9)), max_size=12)


@settings(deadline=None)
@given(documents=DOCUMENTS, block=st.integers(1, 20))
def test_an_index_built_in_blocks_and_mapped_from_files_is_the_same(documents: list[Row], block: int) -> None:
    expected: dict[str, list[tuple[int, int]]] = {}
    for place, document in enumerate(documents):
        for key, value in document.items():
            expected.setdefault(key, []).append((place, value))
    with TemporaryDirectory() as folder:
        builder = PostingsBuilder(Path(folder), block)
        for document in documents:
            builder.add(document)
        builder.finish("x", in_folder(Path(folder))).save_keys(Path(folder), "x")
        postings = Postings.read(Path(folder), "x")
        assert list(postings.keys) == list(expected)
        for key, pairs in {**expected, "nowhere": []}.items():
            places, values = postings.find(key)
            assert list(zip(places.tolist(), values.tolist(), strict=True)) == pairs


def test_an_imported_shop_finds_the_same_as_one_in_memory(imported_small: Path) -> None:
    stored = Catalogue.load(str(imported_small))
    in_memory = Catalogue.of(list(stored.products), list(stored.goals))
    for words in (
        "mug",
        "number 7",
        "raw blue",
        "<q> mugs",
        "<c> kitchen",
        "<a> hand made",
        "<r>",
        "nothing",
    ):
        found = [[product.asin for product in shop.find(words, "1")] for shop in (stored, in_memory)]
        assert found[0] == found[1]
    for product in in_memory.products:
        assert stored.by_asin[product.asin] is product
    assert "B0NONE0001" not in stored.by_asin
    assert "B0RAWS00011" not in stored.by_asin
    assert stored.products[-1].asin == in_memory.products[-1].asin
    with pytest.raises(IndexError):
        stored.products[60]


def test_an_imported_shop_keeps_the_contract(imported_small: Path) -> None:
    check_environment(WebShop(ShopOptions(catalogue=str(imported_small))))


@pytest.fixture(scope="module")
def imported_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty mugs."""
    rows = [
        {**PRODUCT, "asin": f"B0RAWS{number:04d}", "name": f"Mug number {number}"} for number in range(60)
    ]
    wishes = {
        row["asin"]: {**ATTRIBUTES["B0RAWS0001"], "instruction": f"Find me mug number {row['asin'][-4:]}"}
        for row in rows
    }
    folder = tmp_path_factory.mktemp("mugs")
    make(folder, rows, wishes)
    return folder / "out"
