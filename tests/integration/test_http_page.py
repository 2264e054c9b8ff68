"""The page at `/` on a real hub: headers, `HEAD`, and who is given a token (clients.md section 7, hardening 3.9)."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from hub.dashboard import FILES
from tests.support.hub import PRODUCTION, RunningHub

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "dashboard"
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.accept("W1", "W8")
def test_the_page_comes_with_a_policy_that_allows_its_own_files_only() -> None:
    with RunningHub() as hub:
        answer = httpx.get(f"{hub.http_url}/")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert answer.status_code == 200
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors", "trusted-types")} == {"'none'"}
    assert policy["require-trusted-types-for"] == "'script'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "set-cookie" not in answer.headers


def test_head_tells_what_get_would_and_other_methods_are_refused() -> None:
    with RunningHub() as hub:
        whole, head = httpx.get(f"{hub.http_url}/"), httpx.head(f"{hub.http_url}/")
        refused = httpx.post(f"{hub.http_url}/")
    kept = ("content-type", "etag", "cache-control", "content-security-policy", "content-encoding", "content-length")
    assert [head.headers.get(name) for name in kept] == [whole.headers.get(name) for name in kept]
    assert (head.status_code, head.content) == (200, b"")
    assert (refused.status_code, refused.json()["error"]["error"]) == (405, "method_not_allowed")


def test_in_development_the_page_is_given_a_token_that_the_hub_takes() -> None:
    with RunningHub() as hub:
        answer = httpx.get(f"{hub.http_url}/api/v1/page", headers=OWN)
        offer = answer.json()["data"]
        bearer = {"Authorization": f"Bearer {offer['token']}"}
        settings = httpx.get(f"{hub.http_url}/api/v1/status", headers=bearer).json()["data"]["settings"]
        viewer = {"Authorization": f"Bearer {offer['viewer']}"}
        channels = httpx.get(f"{hub.http_url}/api/v1/channels", headers=viewer).json()["data"]["channels"]
        elsewhere = httpx.get(f"{hub.http_url}/api/v1/page", headers={"Origin": "http://localhost:3000"})
        page = httpx.get(f"{hub.http_url}/").text
    assert (answer.headers["cache-control"], offer["mode"]) == ("no-store", "development")
    assert settings["page"] is True
    assert {one["name"]: one["rights"] for one in channels}["metrics"] == ["subscribe"]
    assert {"token", "viewer"}.isdisjoint(elsewhere.json()["data"])
    assert "eyJ" not in page


def test_behind_a_proxy_that_brings_others_the_page_is_given_no_token() -> None:
    with RunningHub(proxies="127.0.0.1/32") as hub:
        headers = {**OWN, "X-Forwarded-For": "192.0.2.7"}
        offer = httpx.get(f"{hub.http_url}/api/v1/page", headers=headers).json()["data"]
    assert "token" not in offer


@pytest.mark.accept("W1")
def test_in_production_the_page_asks_for_a_token_and_gives_none() -> None:
    with RunningHub(**PRODUCTION, anonymous=False) as hub:
        page = httpx.get(f"{hub.http_url}/")
        offer = httpx.get(f"{hub.http_url}/api/v1/page", headers=OWN).json()["data"]
        files = {
            name.name: httpx.get(f"{hub.http_url}/assets/{name.name}").text for name in (FILES / "assets").iterdir()
        }
    assert page.status_code == 200
    assert offer == {"title": "NeuroGraph Hub", "mode": "production", "anonymous": False}
    assert not any("eyJ" in text for text in [page.text, *files.values()])


@pytest.mark.timeout(300)
def test_what_is_shipped_is_what_the_sources_build(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not there; Node 20.19 or newer builds the page")
    if not (DASHBOARD / "node_modules" / "vite").is_dir():
        pytest.skip("dashboard/node_modules is not there; scripts/typescript.sh test installs it")
    command = ["node", "node_modules/vite/bin/vite.js", "build", "--logLevel", "error", "--outDir", str(tmp_path)]
    subprocess.run(command, cwd=DASHBOARD, check=True, timeout=240)
    built = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    shipped = {file.relative_to(FILES): file.read_bytes() for file in FILES.rglob("*") if file.is_file()}
    assert sorted(built) == sorted(shipped)
    assert [str(name) for name in built if built[name] != shipped[name]] == []


@pytest.mark.timeout(600)
def test_the_wheel_carries_the_page(tmp_path: Path) -> None:
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not there; the wheel holds the native core and cannot be built")
    command = [sys.executable, "-m", "maturin", "build", "--release", "--locked", "--quiet", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=540)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        carried = {name for name in archive.namelist() if name.startswith("hub/dashboard/files/")}
    shipped = {file.relative_to(ROOT).as_posix() for file in FILES.rglob("*") if file.is_file()}
    assert carried == shipped
    assert "hub/dashboard/files/index.html" in carried
