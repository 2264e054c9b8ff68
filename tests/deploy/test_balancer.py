"""What stands before the hubs: the nginx configuration that is shipped, and the balancer of the tests."""

import asyncio
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from neurograph_ws_client import Backoff, NeurographWSClient, State

from tests.support.balancer import CONFIGURATION, NginxBalancer, OwnBalancer, Running, nginx_configuration
from tests.support.deployment import NGINX, status_of, until
from tests.support.hub import RunningHub

TEXT = re.sub(r"#.*", "", CONFIGURATION.read_text(encoding="utf-8"))
AT_ONCE = Backoff(base=0.05, cap=0.2)
HUBS = 2

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")


def location(name: str) -> str:
    found = re.search(rf"location {re.escape(name)} \{{(.*?)\}}", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


def seconds(text: str, name: str) -> int:
    found = re.search(rf"{name}\s+(\d+)([smh])", text)
    assert found is not None, name
    return int(found[1]) * {"s": 1, "m": 60, "h": 3_600}[found[2]]


@pytest.mark.accept("O5", "P7")
def test_websockets_are_upgraded_and_go_to_the_hub_with_fewest_connections() -> None:
    assert "least_conn;" in TEXT
    assert re.search(r"map \$http_upgrade \$connection_upgrade", TEXT)
    assert re.search(r"proxy_set_header Upgrade\s+\$http_upgrade;", TEXT)
    assert re.search(r"proxy_set_header Connection\s+\$connection_upgrade;", TEXT)
    assert re.findall(r"server (hub-\d):8000", TEXT) == ["hub-1", "hub-2"]


@pytest.mark.clause("H1")
def test_nothing_is_cut_before_the_hub_itself_finds_a_peer_dead() -> None:
    ws = location("= /ws")
    assert seconds(ws, "proxy_read_timeout") >= 10 * 40
    assert seconds(ws, "proxy_send_timeout") >= 10 * 40
    assert "proxy_buffering off;" in ws


def test_a_hub_that_drains_is_passed_over() -> None:
    """It answers handshakes with 503 (M50)."""
    assert "http_503" in location("= /ws")


def test_a_client_cannot_say_whose_address_it_has_and_no_query_is_logged() -> None:
    assert "$proxy_add_x_forwarded_for" not in TEXT
    assert re.search(r"proxy_set_header X-Forwarded-For\s+\$remote_addr;", TEXT)
    assert re.search(r'proxy_set_header Forwarded\s+"";', TEXT)
    assert not re.search(r"\$request(_uri)?\b|\$args|\$query_string", TEXT)


@needs_nginx
def test_nginx_takes_it(tmp_path: Path) -> None:
    assert NGINX is not None
    path = nginx_configuration(tmp_path, 12_345, [1, 2])
    errors = str(tmp_path / "errors.log")
    done = subprocess.run(
        [NGINX, "-t", "-p", str(tmp_path), "-e", errors, "-c", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def hubs() -> Iterator[list[RunningHub]]:
    with ExitStack() as stack:
        yield [stack.enter_context(RunningHub(node=f"n{number}", proxies="127.0.0.1/32")) for number in range(HUBS)]


@pytest.fixture(params=["own", pytest.param("nginx", marks=needs_nginx)])
def balancer(request: pytest.FixtureRequest, hubs: list[RunningHub], tmp_path: Path) -> Iterator[Running]:
    targets = [hub.port for hub in hubs]
    made: Running
    made = OwnBalancer(targets) if request.param == "own" else NginxBalancer(str(NGINX), tmp_path, targets)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def client(balancer: Running, hubs: list[RunningHub]) -> NeurographWSClient:
    return NeurographWSClient(
        f"ws://127.0.0.1:{balancer.port}/ws", token=hubs[0].token("developer"), backoff=AT_ONCE, compression=False
    )


def counts(hubs: list[RunningHub]) -> list[int]:
    return [hub.call(lambda one: len(one.connections)) for hub in hubs]


@pytest.mark.accept("P7")
async def test_clients_are_spread_over_the_hubs(balancer: Running, hubs: list[RunningHub]) -> None:
    clients = [client(balancer, hubs) for _ in range(4)]
    for one in clients:
        await one.connect()
    assert counts(hubs) == [2, 2]
    for one in clients:
        await one.close()


@pytest.mark.accept("P7")
async def test_where_one_hub_is_gone_the_other_takes_its_clients(balancer: Running, hubs: list[RunningHub]) -> None:
    clients = [client(balancer, hubs) for _ in range(2)]
    for one in clients:
        await one.connect()
    await asyncio.to_thread(hubs[0].stop)
    await asyncio.to_thread(until, lambda: counts(hubs[1:]) == [2], "two clients at the hub that is left")
    for one in clients:
        await one.wait_for(State.CONNECTED, timeout=20)
        assert await one.ping() >= 0
    for one in clients:
        await one.close()


@needs_nginx
def test_figures_stay_inside_and_the_rest_is_reached(hubs: list[RunningHub], tmp_path: Path) -> None:
    balancer = NginxBalancer(str(NGINX), tmp_path, [hub.port for hub in hubs])
    balancer.start()
    try:
        where = f"http://127.0.0.1:{balancer.port}"
        paths = ("/health/ready", "/api/v1/status", "/metrics")
        assert [status_of(where + path) for path in paths] == [200, 200, 404]
        request = urllib.request.Request(f"{where}/health/live?token=sesame", headers={"X-Forwarded-For": "10.1.2.3"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 200
    finally:
        balancer.stop()
    access = (tmp_path / "nginx-access.log").read_text(encoding="utf-8")
    assert "/health/live" in access
    assert "sesame" not in access


def test_the_shipped_file_and_the_one_of_a_test_differ_in_addresses_and_paths_only(tmp_path: Path) -> None:
    made = nginx_configuration(tmp_path, 12_345, [1, 2]).read_text(encoding="utf-8")
    shutil.copy(CONFIGURATION, tmp_path / "shipped")
    shipped = (tmp_path / "shipped").read_text(encoding="utf-8")
    same = set(shipped.splitlines()) & set(made.splitlines())
    changed = [line for line in shipped.splitlines() if line not in same]
    words = ("hub-", "listen", "/tmp", "/dev/std", "worker_processes")
    assert all(any(word in line for word in words) for line in changed), changed
