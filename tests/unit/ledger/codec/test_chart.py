"""The chart of accounts is data, and a mistake in it stops the start-up."""

from importlib.resources import files

import pytest

from services.ledger.codec.chart import DEFAULT_FILE, ChartInvalid, load_chart, parse_chart
from services.ledger.domain.account import AccountSpec

TEXT = files("deploy").joinpath(DEFAULT_FILE).read_text(encoding="utf-8")


class TestDelivered:
    @pytest.mark.parametrize(
        ("name", "spec"),
        [
            ("gl/530000/stores/0330", ("EUR", None, "530000")),
            ("loyalty/points/members/x", ("PTS", 0, "801100")),
            ("loyalty/kitty/expired", ("KTY", None, "809230")),
            ("gl/999999", None),
            ("gl/530000/stores", None),
            ("wallet/x", None),
            ("wallet/x/prepaid", ("EUR", 0, "467100")),
            ("checkout/clearing", ("EUR", None, "467900")),
            ("gl/511500/wallet", ("EUR", None, "511500")),
        ],
    )
    def test_opens_by_pattern(self, name: str, spec: tuple[str, int | None, str] | None) -> None:
        """A name opens an account exactly when a pattern describes it."""
        expected = AccountSpec(name, *spec) if spec else None

        assert load_chart(None).spec_for(name) == expected


class TestMistakes:
    @pytest.mark.parametrize(
        ("right", "wrong"),
        [
            ('"511500": "CB', '"5115": "CB'),
            ('sales: "gl/707100"', 'sales: "gl/707199"'),
            ('gl_code: "809110"', 'gl_code: "809111"'),
            ("floor: 0", "floor: 5"),
            ("asset: PTS, gl_code", "asset: Points, gl_code"),
            ('{rate_bp: 550, sales: "gl/707100", vat: "gl/445711"}', "{rate_bp: 550}"),
            ('vat: "gl/445711"', "vat: null"),
            ("gl_accounts:", "gl_accounts"),
            ('clearing: "checkout/clearing"', 'clearing: "checkout/cleaning"'),
            ('card: "gl/511500/wallet"', 'cards: "gl/511500/wallet"'),
        ],
    )
    def test_is_refused(self, right: str, wrong: str) -> None:
        """Each kind of mistake is found when the chart is read, not when a sale comes."""
        assert right in TEXT

        with pytest.raises(ChartInvalid):
            parse_chart(TEXT.replace(right, wrong))
