"""Words, stems, scores and order of the search, against figures worked out by hand."""

import math
import time

import numpy as np
import pytest

from rro.tasks.environments.webshop.analysis import STOP_WORDS, analyse, words
from rro.tasks.environments.webshop.catalogue import Catalogue
from rro.tasks.environments.webshop.porter import stem
from rro.tasks.environments.webshop.search import SearchIndex, rounded_length


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Red mug, 3-pack", ["Red", "mug", "3", "pack"]),
        ("description:solid u.s.a. o'neill's", ["description:solid", "u.s.a", "o'neill's"]),
        ("3.14 1,000 1;2 a,b a:b 1:2", ["3.14", "1,000", "1;2", "a", "b", "a:b", "1", "2"]),
        ("snake_case __ _x_ 46heel 12.x", ["snake_case", "_x_", "46heel", "12", "x"]),
        ('28" x 28" $9.99', ["28", "x", "28", "9.99"]),
        ("naïve café’s", ["naïve", "café’s"]),
        ("漢字かな カタカナ", ["漢", "字", "か", "な", "カタカナ"]),
        ("★ best ♥ \U0001f468\u200d\U0001f4bc \U0001f1e9\U0001f1ea", None),
        ("e\u0301te\u0301 1\u0301", ["e\u0301te\u0301", "1\u0301"]),
        ("", []),
    ],
)
def test_texts_are_cut_into_words_by_unicode_rules(text: str, found: list[str] | None) -> None:
    assert words(text) == (text.split() if found is None else found)


def test_plain_text_is_cut_alike_with_and_without_the_short_cut() -> None:
    text = "a_b __c d'e f.g 1.2 3,4x 5;6 y:z _7_ 'q' __ 8_9__10 r__s__"
    assert words(text) == words(text + " é")[:-1]


def test_long_words_are_cut_at_255_letters() -> None:
    assert [len(word) for word in words("a" * 600)] == [255, 255, 90]


@pytest.mark.parametrize(
    "text",
    [
        "1_" * 50_000,
        "_" * 100_000,
        "a'" * 50_000,
        "é_\u0301" + "_\u0301" * 50_000,
        "\U0001f468\u200d" * 30_000,
        "é" * 100_000,
    ],
    ids=["digits", "joiners", "quotes", "marks", "pictographs", "letters"],
)
def test_hostile_texts_take_no_time(text: str) -> None:
    started = time.perf_counter()
    words(text)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("cats", "cat"),
        ("feed", "feed"),
        ("agreed", "agre"),
        ("plastered", "plaster"),
        ("motoring", "motor"),
        ("sing", "sing"),
        ("conflated", "conflat"),
        ("hopping", "hop"),
        ("falling", "fall"),
        ("filing", "file"),
        ("happy", "happi"),
        ("sky", "sky"),
        ("relational", "relat"),
        ("conformably", "conform"),
        ("possibly", "possibl"),
        ("apology", "apolog"),
        ("hopefulness", "hope"),
        ("formalize", "formal"),
        ("replacement", "replac"),
        ("adoption", "adopt"),
        ("probate", "probat"),
        ("rate", "rate"),
        ("controll", "control"),
        ("grey", "grei"),
        ("is", "is"),
    ],
)
def test_stems_are_porters_with_his_two_departures(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_terms_are_stems_without_stop_words_and_possessives() -> None:
    assert analyse("The Women's shoes are FOR running, and not for men’s") == ["women", "shoe", "run", "men"]
    assert len(STOP_WORDS) == 33


@pytest.mark.parametrize(
    ("length", "stored"), [(0, 0), (24, 24), (39, 39), (40, 40), (41, 40), (57, 56), (100, 96), (1000, 984)]
)
def test_lengths_are_rounded_as_in_one_byte(length: int, stored: int) -> None:
    assert rounded_length(length) == stored


DOCUMENTS = [{"mug": 1, "blue": 1}, {"mug": 2, "red": 1, "large": 1}, {"tent": 4}]
ASINS = ["C", "B", "A"]


def score(count: int, length: int, found_in: int) -> float:
    idf = math.log(1 + (3 - found_in + 0.5) / (found_in + 0.5))
    return idf * count / (count + 0.9 * (1 - 0.4 + 0.4 * length / (10 / 3)))


def test_scores_are_bm25_with_k1_09_and_b_04() -> None:
    index = SearchIndex.build(ASINS, DOCUMENTS)
    expected = [score(1, 2, 2) + score(1, 2, 1), score(2, 4, 2), 0.0]
    np.testing.assert_allclose(index.scores(["mug", "blue"]), expected, rtol=1e-6)
    np.testing.assert_allclose(index.scores(["mug", "mug"]), 2 * index.scores(["mug"]), rtol=1e-6)


def test_products_come_best_first_and_those_without_a_common_word_not_at_all() -> None:
    index = SearchIndex.build(ASINS, DOCUMENTS)
    assert index.search(["mug", "blue"]) == [0, 1]
    assert index.search(["nothing"]) == []
    assert index.search([]) == []


def test_equal_scores_come_in_order_of_asin_and_at_most_fifty() -> None:
    asins = [f"B{number:03d}" for number in range(200)][::-1]
    index = SearchIndex.build(asins, [{"mug": 1} for _ in asins])
    assert [asins[i] for i in index.search(["mug"])] == sorted(asins)[:50]


def test_a_few_best_of_many_are_the_same_as_when_all_are_ranked() -> None:
    random = np.random.default_rng(0)
    documents = [{"mug": int(count), "filler": int(rest)} for count, rest in random.integers(1, 90, (900, 2))]
    index = SearchIndex.build([f"B{i:04d}" for i in range(900)], documents)
    assert index.search(["mug"]) == index.search(["mug"], top=900)[:50]


@pytest.mark.parametrize(
    ("keywords", "asins"),
    [
        ("<q> mugs", ["B0MUGS0001", "B0MUGS0002"]),
        ("<c> sport and more", ["B0TENT0001"]),
        ("<c>", []),
        ("<a> hand made", ["B0MUGS0002"]),
        ("<a>", []),
    ],
)
def test_special_words_search_by_query_category_and_attribute(
    small: Catalogue, keywords: str, asins: list[str]
) -> None:
    assert [product.asin for product in small.find(keywords, seed="")] == asins


def test_a_random_search_follows_its_seed(bundled: Catalogue) -> None:
    drawn = [list(bundled.find("<r>", seed=seed)) for seed in ("a", "a", "b")]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 50
