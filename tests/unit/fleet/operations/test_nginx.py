"""The text for nginx; that nginx understands it and does what it says is in tests/e2e/test_fleet_restart.py."""

from vox.fleet.operations.nginx import nginx_site

WORKERS = ["127.0.0.1:8001", "10.0.0.2:8001"]


def block(site: str, head: str) -> str:
    """A top-level block of the site."""
    begin = site.index(head)
    return site[begin : site.index("\n}", begin)]


def test_each_group_has_every_worker_and_shared_counts():
    site = nginx_site(WORKERS)
    for group in ("voxcore_calls", "voxcore_others", "voxcore_api"):
        text = block(site, f"upstream {group} ")
        assert f"zone {group} " in text
        assert "least_conn;" in text
        assert all(f"server {each} " in text for each in WORKERS)
    assert block(site, "upstream voxcore_others").count("max_fails=0") == len(WORKERS)
    assert "keepalive" not in block(site, "upstream voxcore_calls")


def test_names_and_addresses_are_the_caller_s():
    site = nginx_site(WORKERS, name="calls_eu", listen="127.0.0.1:8443", server_name="calls.example.com")
    assert "voxcore" not in site.replace("fleet nginx", "")
    assert "listen 127.0.0.1:8443;" in site
    assert "server_name calls.example.com;" in site


def test_each_location_that_asks_a_worker_names_the_address_that_the_caller_used():
    site = nginx_site(WORKERS)
    asking = [text for text in site.split("location ")[1:] if "proxy_pass" in text]
    assert len(asking) == 3
    for text in asking:
        for header in ("Host $http_host", "X-Forwarded-For $proxy_add_x_forwarded_for", "X-Forwarded-Proto $scheme"):
            assert f"proxy_set_header {header};" in text, text
