"""Notebooks run with checked parameters, whole or absent; what a notebook imports is found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from plainsight import notebooks
from plainsight.errors import InputError

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.py"))

HEAD = """# %% [markdown]
# # A notebook

# %% tags=["parameters"]
scale = "smoke"
seed = 0
rate = 0.5
"""


@pytest.fixture(autouse=True)
def library(monkeypatch):
    """Kernels import the package from this checkout, installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "lib"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One notebook that runs through, as the workflow calls it."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "fine.py").write_text(HEAD + "\n# %%\nprint(f'seed {seed + 1}, rate {rate}, {scale}')\n")
    assert notebooks.main([str(folder / "fine.py"), str(folder / "out" / "fine.ipynb"), "-p", "seed", "4"]) == 0
    return folder


def test_an_executed_notebook_holds_its_parameters_and_output(ran):
    notebook = nbformat.read(ran / "out" / "fine.ipynb", 4)
    assert "seed = 4" in notebook.cells[2].source
    assert notebook.cells[3].outputs[0].text == "seed 5, rate 0.5, smoke\n"
    assert (ran / "out" / "fine.log").read_text() == "seed 5, rate 0.5, smoke\n"
    assert sorted(p.name for p in (ran / "out").iterdir()) == ["fine.ipynb", "fine.log"]
    assert not list(ran.glob("*.ipynb"))


def test_prose_leaves_the_digest_of_a_notebook_alone_and_code_does_not(tmp_path):
    digests = []
    for name, text in {
        "as it is": HEAD,
        "prose": HEAD.replace("A notebook", "B"),
        "code": HEAD + "\n# %%\n1\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
        digests.append(notebooks.code_digest(tmp_path / f"{name}.py"))
    assert digests[0] == digests[1] != digests[2]


def test_texts_become_values_of_the_types_that_parameters_have():
    defaults = {"name": "a", "count": 1, "share": 0.5, "early": False}
    given = {"name": "7", "count": "7", "share": "7", "early": "True"}
    assert list(notebooks.fill(defaults, given, "a.py").values()) == ["7", 7, 7.0, True]
    assert notebooks.fill(defaults, {"early": "False"}, "a.py") == {"early": False}
    with pytest.raises(InputError, match=r"a\.py: parameter 'early' is 'no', which is no bool"):
        notebooks.fill(defaults, {"early": "no"}, "a.py")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["sead", "1"], "no parameter 'sead'; it has scale, seed, rate"),
        (["seed", "one"], "parameter 'seed' is 'one', which is no int"),
        (["rate", "fast"], "parameter 'rate' is 'fast', which is no float"),
    ],
)
def test_a_wrong_parameter_is_one_line_before_anything_runs(ran, tmp_path, capsys, given, message):
    assert notebooks.main([str(ran / "fine.py"), str(tmp_path / "a.ipynb"), "-p", *given]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"plainsight: {ran / 'fine.py'}: {message}"]
    assert not list(tmp_path.iterdir())


def test_a_missing_notebook_and_a_missing_parameters_cell(tmp_path):
    with pytest.raises(InputError, match="no such notebook"):
        notebooks.execute(tmp_path / "no.py", tmp_path / "a.ipynb", {})
    (tmp_path / "bare.py").write_text("# %%\nx = 1\n")
    with pytest.raises(InputError, match="no cell is tagged 'parameters'"):
        notebooks.execute(tmp_path / "bare.py", tmp_path / "a.ipynb", {})


def test_failures_leave_no_output_and_say_where_to_look(tmp_path, capsys):
    (tmp_path / "bad.py").write_text(
        HEAD
        + "\n# %%\nprint('so far')\nif seed:\n    from plainsight.errors import InputError\n"
        + "    raise InputError('row 3: wrong')\nraise KeyError('gone')\n"
    )
    output = tmp_path / "bad.ipynb"
    assert notebooks.main([str(tmp_path / "bad.py"), str(output), "-p", "seed", "1"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "plainsight: row 3: wrong"
    assert notebooks.main([str(tmp_path / "bad.py"), str(output)]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "bad.py failed: KeyError: 'gone'" in last and str(output.with_suffix(".partial.ipynb")) in last
    assert not output.exists() and output.with_suffix(".partial.ipynb").exists()
    assert "so far" in output.with_suffix(".log").read_text()


def test_a_notebook_ends_with_the_workflow_that_started_it(tmp_path):
    """The workflow is killed; the runner, its kernel and what that launched must not go on behind its back."""
    mark = f"sleep-{os.getpid()}"
    (tmp_path / "long.py").write_text(
        HEAD + f"\n# %%\nimport subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', "
        f"'import time; time.sleep(60)', '{mark}'])\nprint(child.pid, flush=True)\nchild.wait()\n"
    )
    workflow = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    runner = subprocess.Popen(
        [sys.executable, "-m", "plainsight.notebooks", str(tmp_path / "long.py"), str(tmp_path / "long.ipynb")],
        env={**os.environ, notebooks.WATCHED: str(workflow.pid)},
    )
    log = tmp_path / "long.log"
    assert _within(20, lambda: log.exists() and re.fullmatch(r"\d+\n", log.read_text()))
    child = int(log.read_text())
    workflow.kill()
    workflow.wait()
    assert runner.wait(timeout=10) == 1
    assert _within(5, lambda: not _runs(child))
    assert not (tmp_path / "long.ipynb").exists()


def _within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _runs(pid):
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_sources_follow_imports_through_packages_functions_and_main(tmp_path):
    package = tmp_path / "plainsight"
    files = {
        "__init__.py": "",
        "a.py": "import numpy\ndef f():\n    from plainsight.deep import tool\n",
        "b.py": "",
        "unused.py": "",
        "deep/__init__.py": "",
        "deep/__main__.py": "from plainsight.deep import stages\n",
        "deep/stages.py": "import plainsight.b\n",
        "deep/tool.py": "",
        "named.py": "",
    }
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    notebook = tmp_path / "n.py"
    notebook.write_text("# %%\nimport pandas as pd\nfrom plainsight import a\n")
    names = [str(p.relative_to(package)) for p in notebooks.sources(notebook, package=package)]
    assert names == [
        "__init__.py",
        "a.py",
        "b.py",
        *(f"deep/{n}.py" for n in ("__init__", "__main__", "stages", "tool")),
    ]
    more = notebooks.sources(notebook, "plainsight.named", package=package)
    assert package / "named.py" in more and package / "unused.py" not in more


def test_a_training_step_depends_on_the_stage_it_launches_and_on_no_other():
    notebook = ROOT / "notebooks" / "steps" / "train.py"
    names = {p.name for p in notebooks.sources(notebook, "plainsight.training.stages.finetune")}
    assert {"finetune.py", "denoising.py", "loop.py", "models.py", "schema.py"} <= names
    assert not {"claims.py", "autoencoder.py", "contrastive.py", "features.py"} & names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: str(p.relative_to(ROOT / "notebooks")))
def test_each_notebook_is_percent_text_with_prose_and_literal_parameters(path):
    notebook = notebooks.read(path)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    assert notebooks.parameters(notebook, path)
    prose = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    assert len(prose) >= 2
