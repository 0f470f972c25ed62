from vox.relay.service.turn import IceServers, time_limited


def test_credentials_are_those_that_coturn_expects():
    # echo -n "1893456000:ada" | openssl dgst -sha1 -hmac swordfish -binary | base64
    assert time_limited("swordfish", 1_893_456_000, "ada") == ("1893456000:ada", "fOxtasHsXmyxIlBuHGzZCXdb0rE=")


def test_a_client_is_told_until_when_its_credentials_hold():
    servers = IceServers(["turns:turn.example:443?transport=tcp"], "swordfish", 600, ["stun:stun.example:3478"])
    stun, turn = servers.for_client("ada", 1000)
    assert list(stun.urls) == ["stun:stun.example:3478"]
    assert not stun.credential
    assert turn.username == "1600:ada"
    assert turn.credential == time_limited("swordfish", 1600, "ada")[1]
    assert "swordfish" not in repr(servers)


def test_a_colon_in_a_name_does_not_move_the_end():
    assert time_limited("s", 5, "9999999999:x")[0] == "5:9999999999_x"


def test_without_servers_there_is_nothing_to_tell():
    assert IceServers().for_client("ada", 0) == []
