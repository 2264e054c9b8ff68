"""The documents say what the code says."""

import re
import subprocess
import sys
from pathlib import Path

from hub.config import Settings
from hub.http import routes

ROOT = Path(__file__).resolve().parents[2]


def test_what_documents_take_from_the_code_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to do\n", "")


def test_http_md_names_every_route_and_no_other() -> None:
    text = (ROOT / "docs" / "HTTP.md").read_text()
    documented = set(re.findall(r"`(?:GET|POST|PATCH|DELETE) (/[a-z/{}]+)`", text))
    served = set(re.findall(r'\{API\}(/[a-z/{}:]+)"', Path(routes.__file__).read_text()))
    plain = {re.sub(r"\{+(\w+)(?::path)?\}+", "{}", path) for path in served}
    assert {re.sub(r"\{\w+\}", "{}", path) for path in documented} - {"/token"} == plain


def test_each_setting_has_one_row() -> None:
    text = (ROOT / "docs" / "SETTINGS.md").read_text()
    table = text.partition("<!-- generated: settings -->\n")[2].partition("\n<!-- end -->")[0].splitlines()
    assert len(table) == 2 + len(Settings.model_fields)
    assert [row for row in table if not re.fullmatch(r"\|.*\|.*\|.*\|", row)] == []
