import pytest

from vox.errors import UsageError
from vox.fleet.campaigns.rules.time_zones import subscriber


def test_a_number_of_an_area_has_the_zone_of_that_area():
    found = subscriber("+1 (212) 555-0123")
    assert (found.number, found.region, found.zones) == ("+12125550123", "US", ("America/New_York",))


def test_a_number_of_a_country_with_several_zones_has_all_of_them():
    assert {"Australia/Perth", "Australia/Sydney"} <= set(subscriber("+61491570006").zones)
    assert {"Pacific/Guam", "America/New_York"} <= set(subscriber("+18005550123").zones)


def test_a_zone_that_is_given_replaces_those_of_the_area():
    assert subscriber("+61491570006", time_zone="Australia/Perth").zones == ("Australia/Perth",)


def test_a_number_without_an_area_has_no_zone():
    assert subscriber("+881612345678").zones == ()


def test_national_numbers_need_a_region():
    assert subscriber("0171 4155123", default_region="DE").number == "+491714155123"
    with pytest.raises(UsageError, match="country code") as caught:
        subscriber("0171 4155123")
    assert caught.value.code == "number_invalid"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no telephone number"),
        ("hello", "no telephone number"),
        ("+1212555", "digits"),
        ("+12125550123 ext. 5", "extension"),
        ("9.19877E+11", "spreadsheet"),
        ("+" + "1" * 300, "no telephone number"),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        subscriber(text)
    assert caught.value.code == "number_invalid"


def test_a_zone_that_does_not_exist_is_refused():
    with pytest.raises(UsageError) as caught:
        subscriber("+12125550123", time_zone="Mars/Base")
    assert caught.value.code == "time_zone_unknown"
