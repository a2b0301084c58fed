"""Health, probe and rebind through the real REST stack, over real endpoints of IPv8."""

from __future__ import annotations

import asyncio
import sys

import pytest
from rest_service import names, only, run, tribler_like, until
from udp import needs_pyipv8, only_on

import tribler_udp_fix
from tribler_udp_fix import Settings

pytestmark = [needs_pyipv8, only_on("3.10", "3.12")]

CALM = Settings(probe_after=600.0)  # no probe but those that are asked for


def test_health_tells_of_each_endpoint_the_loop_each_repair_and_the_versions():
    async def main():
        async with tribler_like(["UDPIPv4", "UDPIPv6"]) as (ipv8, client):
            answer = await client.get("/udp-fix/health")
            assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
            health = answer.json
            (watchdog,) = health["watchdogs"]
            assert watchdog["loop"] == type(asyncio.get_running_loop()).__name__
            ports = [i.get_address()[1] for i in ipv8.endpoint.interfaces.values()]
            told = [(e["endpoint"], e["address"]) for e in watchdog["endpoints"]]
            assert told == [
                ("UDPEndpoint", ["127.0.0.1", ports[0]]),
                ("UDPv6Endpoint", ["::1", ports[1]]),
            ]
            assert {repair["fault"] for repair in health["repairs"]} >= {"F1", "F13"}
            python = "{}.{}.{}".format(*sys.version_info[:3])
            assert health["versions"]["python"] == python
            assert health["versions"]["pyipv8"] == "3.2.1"
            assert health["versions"]["tribler_udp_fix"] == tribler_udp_fix.__version__
            assert health["versions"]["wrapt"][0].isdigit()
            assert health["versions"]["tribler"] == "unknown"
            assert {"state", "last_heard", "probes", "errors", "rebinds"} <= set(
                watchdog["endpoints"][0]
            )
            assert "history" in watchdog

    run(main)


def test_without_the_key_nothing_is_told_or_done():
    async def main():
        async with tribler_like() as (_, client):
            for method, path in (
                ("GET", "health"),
                ("POST", "probe"),
                ("POST", "rebind"),
                ("GET", "ui"),
            ):
                answer = await client.ask(method, f"/udp-fix/{path}", key="")
                assert (path, answer.status) == (path, 401)
            assert only((await client.get("/udp-fix/health")).json)["rebinds"] == 0

    run(main, both=False)


def test_a_probe_that_is_asked_for_is_sent_and_answered():
    async def main():
        async with tribler_like(["UDPIPv4", "UDPIPv6"]) as (_, client):
            before = (await client.get("/udp-fix/health")).json
            assert [
                e["probes"]["sent"] for dog in before["watchdogs"] for e in dog["endpoints"]
            ] == [0, 0]
            one, two = names(before)
            answer = await client.post("/udp-fix/probe", {"endpoint": two})
            assert (answer.status, answer.json["accepted"], answer.json["refused"]) == (
                200,
                [two],
                {},
            )

            def answered(health):
                return {
                    e["name"]: e["probes"]["answered"]
                    for dog in health["watchdogs"]
                    for e in dog["endpoints"]
                }

            health = await until(client, lambda health: answered(health)[two] == 1)
            assert answered(health)[one] == 0
            assert (await client.post("/udp-fix/probe")).json["accepted"] == [one, two]
            await until(client, lambda health: answered(health) == {one: 1, two: 2})

    run(main, CALM)


def test_a_rebind_that_is_asked_for_gives_a_new_socket_at_the_same_port():
    async def main():
        async with tribler_like() as (ipv8, client):
            (leaf,) = ipv8.endpoint.interfaces.values()
            address, sock = leaf.get_address(), leaf._transport._sock
            (name,) = names((await client.get("/udp-fix/health")).json)
            answer = await client.post("/udp-fix/rebind", {"endpoint": name})
            assert (answer.status, answer.json["accepted"]) == (200, [name])
            assert answer.json["endpoints"][0]["rebinds"] == 1
            assert answer.json["endpoints"][0]["state"] == "healthy"
            assert leaf.get_address() == address
            assert leaf._transport._sock is not sock

    run(main)


def test_a_rebind_past_the_budget_is_refused_with_the_reason():
    settings = Settings(probe_after=600.0, rebinds_per_hour=1)

    async def main():
        async with tribler_like(["UDPIPv4", "UDPIPv6"]) as (_, client):
            one, two = names((await client.get("/udp-fix/health")).json)
            assert (await client.post("/udp-fix/rebind", {"endpoint": one})).status == 200
            answer = await client.post("/udp-fix/rebind", {"endpoint": one})
            assert answer.status == 409
            why = f"{one} is not rebound: rebinds_per_hour=1 is used up"
            assert answer.error == {"handled": True, "message": why}
            assert answer.json["refused"] == {one: why}
            # Of several, those that may be are.
            answer = await client.post("/udp-fix/rebind")
            assert (answer.status, answer.json["accepted"]) == (200, [two])
            assert answer.json["refused"] == {one: why}
            assert [e["rebinds"] for e in answer.json["endpoints"]] == [1, 1]

    run(main, settings)


def test_without_an_endpoint_under_watch_both_say_why():
    async def main():
        async with tribler_like() as (_, client):
            for path in ("probe", "rebind"):
                answer = await client.post(f"/udp-fix/{path}")
                assert answer.status == 409
                assert "TRIBLER_UDP_FIX_WATCHDOG" in answer.error["message"]

    run(main, Settings(watchdog=False), both=False)


BAD = [
    ({"endpoint": "UDPEndpoint 127.0.0.1:1"}, "endpoint", "'UDPEndpoint 127.0.0.1:1'", "one of "),
    ({"endpoint": 8090}, "endpoint", "8090", "one of "),
    ({"endpoint": None}, "endpoint", "None", "one of "),
    ({"endpoint": ["a"]}, "endpoint", "['a']", "one of "),
    ({"endpoints": "a"}, "endpoints", "'a'", "no field but endpoint"),
    ([], "body", "[]", "a JSON object"),
    (b"{", "body", "'{'", "JSON"),
    (b"\xff\xfe", "body", "", "JSON"),
    (b"[" * 4000, "body", "", "JSON"),
    (b"[" * 400 + b"]" * 400, "body", "[[[", "a JSON object"),
    (b'{"endpoint": 1e999}', "endpoint", "inf", "one of "),
    (b'{"endpoint": "' + b"x" * 100_000 + b'"}', "body", "", "up to 4,096 bytes"),
]


@pytest.mark.parametrize("path", ["probe", "rebind"])
def test_bad_input_is_400_with_the_field_the_value_and_what_is_allowed(path):
    async def main():
        async with tribler_like() as (_, client):
            (name,) = names((await client.get("/udp-fix/health")).json)
            for body, field, value, allowed in BAD:
                answer = await client.post(f"/udp-fix/{path}", body)
                assert (answer.status, answer.error["field"]) == (400, field), body
                assert answer.error["message"].startswith(f"{field}={value}"), answer.error
                assert f": allowed is {allowed}" in answer.error["message"]
                assert answer.error["handled"] is True
                assert isinstance(answer.error["value"], (str, int, type(None))), body
                if field == "endpoint":
                    assert answer.error["allowed"] == [name]
            endpoint = only((await client.get("/udp-fix/health")).json)
            assert (endpoint["probes"]["sent"], endpoint["rebinds"]) == (0, 0)

    run(main, CALM, both=False)


@pytest.mark.parametrize("path", ["probe", "rebind"])
def test_the_page_of_another_origin_may_ask_for_nothing(path):
    own = "http://127.0.0.1:{port}"
    others = [
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": own, "Sec_Fetch_Site": "same-site"},
        {"Origin": "http://127.0.0.1:1", "Sec_Fetch_Site": "same-origin"},
    ]

    async def main():
        async with tribler_like() as (_, client):
            port = client.address.rpartition(":")[2]

            async def ask(headers):
                told = {name: value.format(port=port) for name, value in headers.items()}
                return await client.post(f"/udp-fix/{path}", **told)

            for headers in others:
                answer = await ask(headers)
                assert answer.status == 403, headers
                assert answer.error["field"] in ("Origin", "Sec-Fetch-Site")
                assert "allowed is " in answer.error["message"]
            endpoint = only((await client.get("/udp-fix/health")).json)
            assert (endpoint["probes"]["sent"], endpoint["rebinds"]) == (0, 0)
            for headers in ({"Origin": own, "Sec_Fetch_Site": "same-origin"}, {}):
                assert (await ask(headers)).status == 200, headers

    run(main, CALM, both=False)


@pytest.mark.parametrize("path", ["probe", "rebind"])
def test_what_is_not_declared_as_json_is_415(path):
    async def main():
        async with tribler_like() as (_, client):
            for kind in (
                "text/plain",
                "application/x-www-form-urlencoded",
                "application/jsonp",
                "",
            ):
                answer = await client.post(f"/udp-fix/{path}", b"{}", Content_Type=kind)
                assert (answer.status, answer.error["field"]) == (415, "Content-Type"), kind
                message = f"Content-Type={kind!r}: allowed is application/json"
                assert answer.error["message"] == message
            endpoint = only((await client.get("/udp-fix/health")).json)
            assert (endpoint["probes"]["sent"], endpoint["rebinds"]) == (0, 0)
            kind = "Application/JSON; charset=utf-8"
            assert (await client.post(f"/udp-fix/{path}", b"{}", Content_Type=kind)).status == 200

    run(main, CALM, both=False)


def test_a_body_that_is_not_encoded_as_it_says_is_400():
    async def main():
        async with tribler_like() as (_, client):
            answer = await client.post("/udp-fix/probe", b"text", Content_Encoding="gzip")
            assert (answer.status, answer.error["field"]) == (400, "body")
            assert answer.error["message"].endswith("a whole one, encoded as the headers say")

    run(main, both=False)


def test_another_method_is_405_with_the_one_that_is_allowed():
    async def main():
        async with tribler_like() as (_, client):
            for method, path, allowed in (("GET", "rebind", "POST"), ("PUT", "health", "GET")):
                answer = await client.ask(method, f"/udp-fix/{path}")
                assert (answer.status, answer.headers["Allow"]) == (405, allowed)
                assert answer.error["message"] == f"{method}: allowed is {allowed}"

    run(main, both=False)


def test_a_killed_reader_heals_and_the_history_tells_of_it():
    from tribler_udp_fix.testing import lost_completion

    async def main():
        async with tribler_like() as (ipv8, client):
            (leaf,) = ipv8.endpoint.interfaces.values()
            with lost_completion(leaf, until="rebind"):
                health = await until(client, lambda health: only(health)["rebinds"] == 1)
            health = await until(client, lambda health: only(health)["state"] == "healthy")
            (watchdog,) = health["watchdogs"]
            steps = [(e["kind"], e["state"]) for e in watchdog["history"]]
            assert steps.index(("state", "rebinding")) < steps.index(("rebound", ""))
            assert only(health)["last_heard"] == pytest.approx(health["at"], abs=30)

    run(main)


def test_the_page_is_served_under_a_policy_that_allows_its_own_parts_only():
    async def main():
        async with tribler_like() as (_, client):
            answer = await client.get("/udp-fix/ui")
            assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (
                200,
                "text/html",
            )
            assert answer.text.lower().startswith("<!doctype html>")
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; ")
            assert "unsafe" not in policy

    run(main, both=False)


def test_swagger_documents_each_as_the_hosts_own():
    async def main():
        async with tribler_like() as (_, client):
            swagger = (await client.get("/docs/swagger.json")).json
            paths = {
                path: sorted(methods)
                for path, methods in swagger["paths"].items()
                if path.startswith("/udp-fix/")
            }
            assert paths == {
                "/udp-fix/health": ["get"],
                "/udp-fix/probe": ["post"],
                "/udp-fix/rebind": ["post"],
                "/udp-fix/ui": ["get"],
            }
            rebind = swagger["paths"]["/udp-fix/rebind"]["post"]
            assert sorted(rebind["responses"]) == ["200", "400", "403", "409", "415"]
            assert [p["in"] for p in rebind["parameters"]] == ["body"]
            assert "UdpFixHealth" in swagger["definitions"]

    run(main, both=False)
