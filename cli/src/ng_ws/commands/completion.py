"""Options of `ng-ws completion`."""

from typing import Annotated

import typer

from ..arguments import helped
from ..exits import Exit, misused
from ..tree import single

SHELLS = ("bash", "zsh", "fish")

_COMPLETION = helped(
    'eval "$(ng-ws completion bash)"',
    "ng-ws completion fish > ~/.config/fish/completions/ng-ws.fish",
    "What the shell needs to complete commands and options: bash, zsh or fish.",
)

app = single()


@app.command(help=_COMPLETION)
def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish")]) -> int:
    """Show the script."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # noqa: PLC0415

    from ..main import COMPLETE, NAME  # noqa: PLC0415
    from ..stdout import put  # noqa: PLC0415

    if shell not in SHELLS:
        raise misused("completion", "bash, zsh or fish", shell)
    put(f"{get_completion_script(prog_name=NAME, complete_var=COMPLETE, shell=shell)}\n".encode())
    return Exit.OK
