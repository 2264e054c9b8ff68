"""The native core in a Python without a global lock: it loads, leaves that lock off, and threads share a SignalSystem.

    NG_FREE_THREADED=python3.14t .venv/bin/python -m pytest tests/channels/test_free_threaded.py

builds it for that interpreter first, which takes some minutes.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INTERPRETER = shutil.which(os.environ.get("NG_FREE_THREADED", "")) or ""

SHARED = """
import importlib.util, random, sys, threading

spec = importlib.util.spec_from_file_location("channels._native", sys.argv[1])
native = importlib.util.module_from_spec(spec)
spec.loader.exec_module(native)
system = native.SignalSystem(publish="none", index_window=4096)

def emit(seed):
    numbers = random.Random(seed)
    for _ in range(3_000):
        system.emit("a.b", [numbers.random() for _ in range(8)])

threads = [threading.Thread(target=emit, args=(seed,)) for seed in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
stats = system.get_stats()
print(sys._is_gil_enabled(), stats.emits, stats.tokens, stats.window_points)
"""


@pytest.mark.timeout(900)
@pytest.mark.skipif(not INTERPRETER, reason="NG_FREE_THREADED names no free-threaded Python, like python3.14t")
def test_threads_without_a_global_lock_share_a_signal_system(tmp_path: Path) -> None:
    target = Path(os.environ.get("CARGO_TARGET_DIR", tmp_path))
    build = ["cargo", "build", "--release", "--locked", "--manifest-path", str(ROOT / "native/Cargo.toml")]
    settings = {"PYO3_PYTHON": INTERPRETER, "PYO3_BUILD_EXTENSION_MODULE": "1", "CARGO_TARGET_DIR": str(target)}
    subprocess.run([*build, "-p", "ng-python"], check=True, env=os.environ | settings)
    module = shutil.copy(target / "release/lib_native.so", tmp_path / "_native.so")
    told = subprocess.run([INTERPRETER, "-c", SHARED, module], check=True, capture_output=True, text=True)
    assert told.stdout == "False 12000 12000 4096\n"
