"""Sections, and how their values are read, apart from any key that Hammer has."""

from __future__ import annotations

from typing import Any

import pytest

from library.config.fields import BOOLEAN, TEXT
from library.config.readers import ListOf, MappingOf, ShortOr, WordOr
from library.config.section import ConfigSection, Mistakes, setting


class Inner(ConfigSection):
    """Within."""

    name: str = setting(TEXT, "Its name.", key="its.name")
    tags: tuple[str, ...] = setting(ListOf(TEXT), "Its tags.", default=())


class Outer(ConfigSection):
    """Around it."""

    inner: Inner = setting(Inner, "The inner one.", factory=lambda: Inner(name="none"))
    secret: str = setting(TEXT, "Not shown.", default="", secret=True)


class Wider(Outer):
    """With one more."""

    on: bool = setting(BOOLEAN, "Whether.", default=False)


def _read(reader: Any, value: Any) -> tuple[Any, Mistakes]:
    mistakes: Mistakes = []
    return reader.read(value, (), mistakes), mistakes


def test_a_section_is_made_of_its_settings_and_their_defaults() -> None:
    assert Outer().inner == Inner(name="none")
    assert list(Wider.settings) == ["inner", "secret", "on"]
    assert vars(Wider(on=True)) == {"inner": Inner(name="none"), "secret": "", "on": True}


@pytest.mark.parametrize(
    ("values", "message"), [({}, "Inner needs name"), ({"name": "a", "size": 1}, "Inner has no size")]
)
def test_a_section_with_other_settings_is_an_error_of_the_program(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Inner(**values)


def test_a_section_is_a_value() -> None:
    one = Inner(name="a", tags=("x",))
    assert one == Inner(name="a", tags=("x",)) != Inner(name="b", tags=("x",))
    assert len({one, Inner(name="a", tags=("x",))}) == 1
    assert one != {"name": "a", "tags": ("x",)}
    assert Outer() != Wider()
    assert repr(Outer(secret="s3cret")) == "Outer(inner=Inner(name='none', tags=()))"
    assert (one.replaced(tags=()), one) == (Inner(name="a"), Inner(name="a", tags=("x",)))


def test_every_mistake_is_named_where_it_is() -> None:
    assert _read(Outer, {"inner": {"its.nam": 1, "tags": ["a", 2]}, "secret": 3, "x": None}) == (
        None,
        [
            (("x",), "unknown key"),
            (("inner", "its.nam"), 'unknown key, did you mean "its.name"?'),
            (("inner", "tags", 1), "must be text, not a number"),
            (("secret",), "must be text, not a number"),
        ],
    )


def test_a_text_with_half_of_a_character_cannot_be_written_anywhere() -> None:
    assert _read(TEXT, "\ud800") == (None, [((), "must be text, and this has half of a character in it")])


@pytest.mark.parametrize(
    ("reader", "value", "expected"),
    [
        pytest.param(ListOf(TEXT, len), " a, ,b ", 2, id="comma-separated"),
        pytest.param(MappingOf(TEXT, None), {"a": [None]}, {"a": [None]}, id="any value"),
        pytest.param(MappingOf(TEXT, BOOLEAN), {"a": "True"}, {"a": True}, id="mapping"),
        pytest.param(ShortOr(Inner, TEXT, lambda text: Inner(name=text), "it"), "a", Inner(name="a"), id="short form"),
        pytest.param(
            ShortOr(Inner, TEXT, lambda text: Inner(name=text), "it"), {"its.name": "a"}, Inner(name="a"), id="section"
        ),
        pytest.param(WordOr("all", Inner, "an inner"), "all", "all", id="word"),
        pytest.param(WordOr("all", Inner, "an inner"), {"its.name": "a"}, Inner(name="a"), id="section, not the word"),
    ],
)
def test_forms_of_values(reader: Any, value: Any, expected: Any) -> None:
    assert _read(reader, value) == (expected, [])


@pytest.mark.parametrize(
    ("reader", "value", "message"),
    [
        pytest.param(ListOf(TEXT), {}, "must be a list or a comma-separated text, not a section", id="list"),
        pytest.param(MappingOf(TEXT, None), [], "must be a section, not a list", id="mapping"),
        pytest.param(ShortOr(Inner, TEXT, lambda _: Inner(name=""), "it"), None, "must be it, not null", id="short"),
        pytest.param(ShortOr(Inner, TEXT, lambda _: Inner(name=""), "it"), 1, "must be text, not a number", id="form"),
        pytest.param(WordOr("all", Inner, "an inner"), "al", "must be an inner, or \"all\", not 'al'", id="word"),
    ],
)
def test_other_forms_of_values_are_mistakes(reader: Any, value: Any, message: str) -> None:
    assert _read(reader, value) == (None, [((), message)])
