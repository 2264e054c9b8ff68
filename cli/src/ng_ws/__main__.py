"""`python -m ng_ws`."""

from .main import script

if __name__ == "__main__":
    script()
