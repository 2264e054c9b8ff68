"""Exit code 0 while the hub in this container is live; `healthy.py ready`: while it is ready (N10)."""

import os
import sys
import urllib.request

probe = sys.argv[1] if len(sys.argv) > 1 else "live"
url = f"http://127.0.0.1:{os.environ.get('NG_PORT', '8000')}/health/{probe}"
try:
    # No proxy of the environment lies between a container and itself.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as answer:
        sys.exit(answer.status != 200)
except OSError as error:
    sys.exit(f"{url}: {error}")
