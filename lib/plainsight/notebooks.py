"""Run a notebook: py:percent text, parameters, papermill, and an executed ``.ipynb`` that is whole or absent.

``python -m plainsight.notebooks NOTEBOOK OUTPUT -p KEY VALUE ...`` is what each rule of the workflow calls.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import hashlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plainsight.errors import InputError
from plainsight.files import is_full, writable_folder

WATCHED = "PLAINSIGHT_RUN_PID"
"""Environment variable: the process (the workflow's) without which a notebook must not go on."""


class NotebookError(RuntimeError):
    """A cell raised something that is not bad input; the message says which notebook and where to look."""


def sources(notebook: Path, *modules: str, package: Path = Path(__file__).parent) -> list[Path]:
    """The files of the library that a notebook imports, directly or through others, sorted.

    Imports are read from the syntax tree wherever they stand, in functions too; of an imported package that can be run
    (``python -m``) its ``__main__.py`` belongs to it as well.

    Args:
        notebook: a ``.py`` file.
        modules: modules that are imported by a computed name, such as ``plainsight.worlds.phantom``.
        package: the folder of the package ``plainsight``.
    """
    found: set[Path] = set()
    waiting = [notebook, *(path for name in modules for path in _module_files(name, package))]
    while waiting:
        tree = ast.parse(waiting.pop().read_text(encoding="utf-8"))
        files = {path for name in _imported(tree) for path in _module_files(name, package)}
        waiting += files - found
        found |= files
    return sorted(found | {path for name in modules for path in _module_files(name, package)})


@functools.cache
def library_digest(*modules: str) -> str:
    """SHA-256 of modules of the library, given by name, and of all that they import of it."""
    files = sources(Path(__file__), *modules)
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_files(name: str, package: Path) -> list[Path]:
    """The files that importing ``name`` reads: its own and its packages'; [] if it is none of ours."""
    first, *rest = name.split(".")
    if first != package.name:
        return []
    folders = [package.joinpath(*rest[:depth]) for depth in range(len(rest) + 1)]
    files = [folder / script for folder in folders for script in ("__init__.py", "__main__.py")]
    return [path for path in (*files, folders[-1].with_suffix(".py")) if path.is_file()]


def read(path: Path) -> Any:
    """A ``py:percent`` file as a notebook in memory; nothing is paired or written. Raises InputError if it is none."""
    import jupytext

    if not path.is_file():
        raise InputError(f"{path}: no such notebook")
    return jupytext.read(path, fmt="py:percent")


def code_digest(path: Path) -> str:
    """SHA-256 of a notebook's code cells: what it does, whatever its prose says."""
    cells = [cell.source for cell in read(path).cells if cell.cell_type == "code"]
    return hashlib.sha256("\n\n".join(cells).encode()).hexdigest()


def parameters(notebook: Any, where: Path) -> dict[str, Any]:
    """What the cell tagged ``parameters`` assigns, as name and value; raises InputError where there is no such cell."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if not cells:
        raise InputError(f"{where}: no cell is tagged 'parameters'")
    try:
        assigned = [node for node in ast.parse(cells[0].source).body if isinstance(node, ast.Assign)]
        return {node.targets[0].id: ast.literal_eval(node.value) for node in assigned}
    except (SyntaxError, ValueError, AttributeError):
        raise InputError(f"{where}: the cell tagged 'parameters' may hold only NAME = VALUE, one a line") from None


def fill(defaults: Mapping[str, Any], given: Mapping[str, str], where: Path) -> dict[str, Any]:
    """The ``given`` texts as values of the types of ``defaults``; InputError for an unknown name or another type."""
    values = {}
    for name, text in given.items():
        if name not in defaults:
            raise InputError(f"{where}: no parameter {name!r}; it has {', '.join(defaults)}")
        kind = type(defaults[name])
        try:
            values[name] = bool(("False", "True").index(text)) if kind is bool else kind(text)
        except ValueError:
            raise InputError(f"{where}: parameter {name!r} is {text!r}, which is no {kind.__name__}") from None
    return values


def execute(source: Path, output: Path, given: Mapping[str, str]) -> None:
    """Execute the notebook ``source`` in the working directory and write it to ``output`` when it is complete.

    While it runs, what it prints goes to ``<output>.log``, and the cells done so far to ``<output>.partial.ipynb``;
    the latter stays when a cell fails.

    Raises:
        InputError: no such notebook, a parameter it does not have (papermill only warns) or of another type, or a cell
            raised InputError.
        NotebookError: a cell raised anything else.
    """
    import papermill

    notebook = read(source)
    values = fill(parameters(notebook, source), given, source)
    writable_folder(output)
    log, partial = output.with_suffix(".log"), output.with_suffix(".partial.ipynb")
    with _kernel_manager() as manager, log.open("w", encoding="utf-8") as stream:
        try:
            papermill.execute_notebook(
                notebook,
                str(partial),
                values,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                stdout_file=stream,
                stderr_file=stream,
                kernel_manager_class=manager,
            )
        except papermill.PapermillExecutionError as error:
            if error.ename == InputError.__name__:
                raise InputError(error.evalue) from None
            reason = f"{error.ename}: {' '.join(str(error.evalue).split())[:300]}"
            raise NotebookError(f"{source} failed: {reason} (cells so far: {partial}, output: {log})") from error
        except OSError as error:
            if not is_full(error, output.parent):
                raise
            raise InputError(f"{output}: the disk is full; free some space and run again") from error
    partial.replace(output)


@contextlib.contextmanager
def _kernel_manager() -> Iterator[type]:
    """A kernel manager for this very interpreter, over IPC: TCP ports get lost when many kernels start at once."""
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager
    from traitlets import default

    # The path of a Unix socket may not be longer than about 100 characters, so not below the output.
    with tempfile.TemporaryDirectory(prefix="plainsight-") as folder:

        class Manager(AsyncKernelManager):
            @default("transport")
            def _ipc(self) -> str:
                return "ipc"

            @default("connection_file")
            def _unique(self) -> str:
                return str(Path(folder) / "kernel.json")

            @default("kernel_spec_manager")
            def _native(self) -> KernelSpecManager:
                return KernelSpecManager(kernel_dirs=[])

            def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
                python, run_module, *rest = super().format_kernel_cmd(extra_arguments)
                return [python, run_module, "plainsight.warm", *rest]

        yield Manager


def stop_with(pid: int, every: float = 0.5) -> None:
    """Watch process ``pid`` from a thread: when it is gone, end all children (kernel, training) and this process."""
    import psutil

    def watch() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            watched = psutil.Process(pid)
            # In a container nobody may reap a process that has ended.
            while watched.is_running() and watched.status() != psutil.STATUS_ZOMBIE:
                time.sleep(every)
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(arguments: list[str] | None = None) -> int:
    """0 when the notebook is complete; 2 with one line on bad input; 1 when a cell failed otherwise."""
    parser = argparse.ArgumentParser(prog="python -m plainsight.notebooks", description="Execute one notebook.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"))
    options = parser.parse_args(arguments)
    # jsonschema would spend 2 s of every notebook on compiling the grammar of addresses that no notebook holds.
    sys.modules.setdefault("rfc3987_syntax", None)
    if watched := os.environ.get(WATCHED):
        stop_with(int(watched))
    start = time.monotonic()
    print(f"started   {options.output}", flush=True)
    try:
        execute(options.notebook, options.output, dict(options.parameters))
        print(f"finished  {options.output} ({time.monotonic() - start:.0f} s)", flush=True)
    except (InputError, NotebookError) as error:
        print(f"plainsight: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
