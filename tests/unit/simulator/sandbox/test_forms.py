"""Form-encoded parameters."""

import pytest

from services.simulator.sandbox.forms import Params, Tree, content_hash, parse_form
from services.simulator.sandbox.refusals import ApiRefusal


class TestParseForm:
    def test_reads_nested_names_and_arrays(self) -> None:
        """Brackets nest; positions and empty brackets both make arrays."""
        tree = parse_form(
            [
                ("card[number]", "1"),
                ("metadata[a]", "b"),
                ("expand[0]", "x"),
                ("expand[1]", "y"),
                ("types[]", "p"),
                ("types[]", "q"),
            ]
        )

        assert tree == {
            "card": {"number": "1"},
            "metadata": {"a": "b"},
            "expand": {"0": "x", "1": "y"},
            "types": {"0": "p", "1": "q"},
        }

    @pytest.mark.parametrize(
        "pairs", [[("a", "1"), ("a[b]", "2")], [("a" + "[b]" * 9, "1")]], ids=["both", "deep"]
    )
    def test_refuses_what_makes_no_sense(self, pairs: list[tuple[str, str]]) -> None:
        """A name is a value or a group, and groups are shallow."""
        with pytest.raises(ApiRefusal) as refused:
            parse_form(pairs)

        assert refused.value.status == 400


class TestContentHash:
    def test_does_not_depend_on_the_order_of_parameters(self) -> None:
        """The same request written in another order is the same request."""
        one: Tree = {"a": "1", "b": {"c": "2", "d": "3"}}
        other: Tree = {"b": {"d": "3", "c": "2"}, "a": "1"}

        assert content_hash("POST", "/p", one) == content_hash("POST", "/p", other)

    def test_tells_values_and_their_places_apart(self) -> None:
        """Nothing that a value contains can make it look like another parameter."""
        hashes = {
            content_hash("POST", "/p", {"a": "1", "b": "2"}),
            content_hash("POST", "/p", {"a": "1\nb='2'"}),
            content_hash("POST", "/p", {"a": {"b": "2"}}),
            content_hash("POST", "/p", {"a.b": "3"}),
            content_hash("POST", "/q", {"a": "1", "b": "2"}),
        }

        assert len(hashes) == 5


class TestParams:
    @pytest.mark.parametrize("value", ["1.5", "ten", "1e3", "²", "", "9" * 16])
    def test_takes_whole_numbers_only(self, value: str) -> None:
        """Amounts are integers of a size that fits; an empty value is none."""
        params = Params({"amount": value})

        if value == "":
            assert params.integer("amount", at_least=1) is None
        else:
            with pytest.raises(ApiRefusal) as refused:
                params.integer("amount", at_least=1)
            assert refused.value.error["code"] == "parameter_invalid_integer"

    def test_refuses_what_nobody_asked_for(self) -> None:
        """A misspelled parameter is told by its full name, and its value is not repeated."""
        params = Params({"card": {"numer": "4242424242424242"}})
        card = params.inner("card")
        assert card is not None

        with pytest.raises(ApiRefusal) as refused:
            card.finish()

        assert refused.value.error["param"] == "card[numer]"
        assert "4242" not in str(refused.value.error)

    @pytest.mark.parametrize(
        ("value", "span"),
        [
            ({"gte": "5", "lte": "9"}, (5, 9)),
            ({"gt": "5", "lt": "9"}, (6, 8)),
            ("7", (7, 7)),
            ({}, (None, None)),
        ],
    )
    def test_takes_ranges(self, value: "str | Tree", span: tuple[int | None, int | None]) -> None:
        """Open and closed ends become the first and the last that fit."""
        assert Params({"created": value}).span("created") == span
