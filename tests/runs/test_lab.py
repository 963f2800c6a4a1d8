"""Notebooks in JupyterLab: working copies of the templates, and the executed notebooks of a run."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import nbformat
import psutil
import pytest
import websocket
from typer.testing import CliRunner

from techco.cli.app import app
from techco.display.shown import MIME
from techco.errors import ParameterError
from techco.lab.working_copy import working_copy
from techco.notebooks.parameters import parameters_cell
from techco.notebooks.templates import templates_dir
from techco.period import Period
from techco.runs.request import RunRequest
from techco.sample.generate import SampleSpec, generate
from techco.storage.folder import Folder
from tests.support.processes import Started, marked, wait_until_gone
from tests.support.tiny_notebooks import write_notebook, write_templates

pytestmark = pytest.mark.slow  # each starts kernels or whole runs

AUGUST = Period.parse("2023-08")


@dataclass
class Opened:
    """`techco lab` with JupyterLab running, spoken to as its page in a browser does."""

    command: Started
    notebook: Path
    url: str
    session: str = field(default_factory=lambda: uuid.uuid4().hex)

    def ask(self, path: str, body: object = None, *, with_token: bool = True) -> Any:
        """The answer of the server's interface."""
        headers = {"Authorization": f"token {self.token}"} if with_token else {}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.server}/api/{path}", data, headers)) as answer:
            return json.load(answer)

    @property
    def server(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.url).query)["token"][0]

    @property
    def path(self) -> str:
        """The notebook as JupyterLab names it."""
        return urlsplit(self.url).path.removeprefix("/lab/tree/")

    def run(self, sources: list[str]) -> list[dict[str, Any]]:
        """Run cells in the notebook's kernel, which is started if there is none; returns all that they put out."""
        kernel = {"name": "python3"}
        session = self.ask("sessions", {"path": self.path, "name": "", "type": "notebook", "kernel": kernel})
        where = f"ws://{urlsplit(self.url).netloc}/api/kernels/{session['kernel']['id']}/channels?token={self.token}"
        with closing(websocket.create_connection(where, timeout=60)) as socket:
            return [output for source in sources for output in self._run(socket, source)]

    def _run(self, socket: websocket.WebSocket, source: str) -> Iterator[dict[str, Any]]:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": self.session, "version": "5.3"}
        message = {"header": {**header, "username": "", "date": ""}, "parent_header": {}, "metadata": {}}
        socket.send(json.dumps({**message, "channel": "shell", "content": {"code": source, "allow_stdin": False}}))
        while True:
            said = json.loads(socket.recv())
            if said["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
                return
            if said["msg_type"] in ("execute_result", "display_data", "stream", "error"):
                yield said["content"]


@contextmanager
def open_lab(folder: Path, *words: str, **variables: str) -> Iterator[Opened]:
    """Start `techco lab` as a user does, and wait until it says where JupyterLab is."""
    command = Started(folder, "lab", "--no-browser", *words, **variables)
    process = command.process
    try:
        assert process.stdout
        notebook, url = (process.stdout.readline().rstrip() for _ in range(2))
        assert url.startswith("JupyterLab"), process.communicate()
        yield Opened(command, Path(notebook.split(maxsplit=1)[1]), url.split()[1])
    finally:
        if process.poll() is None:
            process.kill()  # its guard ends the rest
            process.communicate()


def payloads(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What of the outputs of cells techco has made."""
    return [output["data"][MIME] for output in outputs if MIME in output.get("data", {})]


def code_cells(notebook: Path) -> list[Any]:
    return [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


def of_notebook(notebook: Path) -> list[dict[str, Any]]:
    return payloads([output for cell in code_cells(notebook) for output in cell.outputs])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with a shop and a run of it, and the folder of the executed notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    generate(folder / "shop", SampleSpec(customers=100, products=10, logs=2000, messy=True))
    ended = Started(folder, "run", "--storage", "shop", "--period", "2023-08").wait()
    assert ended.code == 0, ended.stderr
    (run,) = folder.glob("runs/2*")
    return folder, run


@pytest.fixture(scope="module")
def opened(made: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """JupyterLab on the analysis of the shop, where the user's own kernel `python3` is one that does not work."""
    folder, _ = made
    kernel = tmp_path_factory.mktemp("jupyter") / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["false"], "display_name": "Another Python", "language": "python"}')
    words = ("--storage", "shop", "--period", "2023-08", "--key-vault", "kv-shop", "--secret", "storage-key")
    with open_lab(folder, *words, JUPYTER_PATH=str(kernel.parents[2])) as lab:
        yield lab


def test_run_all_in_jupyterlab_finds_what_a_run_has_found(opened: Opened, made: tuple[Path, Path]) -> None:
    assert opened.notebook == made[0] / "lab" / "analysis-2023-08-01_2023-08-31.ipynb"
    notebook = opened.ask(f"contents/{opened.path}")["content"]
    found = opened.run([cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"])
    assert [output for output in found if "ename" in output or output.get("name") == "stderr"] == []
    assert len(payloads(found)) > 10
    assert without_warnings(payloads(found)) == without_warnings(of_notebook(made[1] / "analysis.ipynb"))


def without_warnings(shown: list[Any]) -> list[Any]:
    """What was shown but for warnings, as an analysis by hand also has those of the ingest before it."""
    return [one for one in shown if one["name"] != "warnings"]


def test_the_kernel_is_the_python_that_runs_techco_and_knows_how_the_storage_is_reached(opened: Opened) -> None:
    ask = "import os, sys; print(sys.executable, os.environ['TECHCO_KEY_VAULT'], os.environ['TECHCO_SECRET'])"
    assert [output["text"] for output in opened.run([ask])] == [f"{sys.executable} kv-shop storage-key\n"]
    assert "kv-shop" not in opened.notebook.read_text(encoding="utf-8")


def test_jupyterlab_wants_its_token_and_listens_on_loopback_alone(opened: Opened) -> None:
    with pytest.raises(HTTPError, match="403"):
        opened.ask(f"contents/{opened.path}", with_token=False)
    port = urlsplit(opened.url).port
    listening = [c.laddr.ip for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port]
    assert listening == ["127.0.0.1"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_jupyterlab_ends_with_the_command_and_all_that_was_started_in_it(tmp_path: Path, number: int) -> None:
    write_templates(tmp_path / "own")
    (tmp_path / "own" / "beside.py").touch()
    with open_lab(tmp_path, TECHCO_TEMPLATES=str(tmp_path / "own")) as lab:
        start = "import beside, os, subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"
        (said,) = lab.run([f"{start}; print(os.environ['JUPYTER_RUNTIME_DIR'])"])
        sockets = Path(said["text"].strip())
        assert len([line for line in marked(lab.command.mark) if "sleep" in line or "ipykernel" in line]) == 2
        assert {path.stat().st_mode & 0o777 for path in (sockets, sockets / "token")} == {0o700, 0o600}
        if number == signal.SIGINT:
            ended = lab.command.interrupt()
            assert (ended.code, ended.processes, ended.temporary) == (130, [], [])
            assert ended.stderr.splitlines()[1:] == ["Error: Interrupted. Nothing is left running."]
        else:
            lab.command.process.kill()
            lab.command.process.communicate()
            assert wait_until_gone(lab.command.mark, lab.command.temporary) == ([], [])
    assert not sockets.exists()


def jupyterlab_of(lab: Opened) -> psutil.Process:
    """The process of the server, which is below the guard."""
    (guard,) = psutil.Process(lab.command.process.pid).children()
    (server,) = guard.children()
    return server


def test_jupyterlab_that_is_ended_by_its_menu_ends_the_command_well(tmp_path: Path) -> None:
    with open_lab(tmp_path) as lab:
        lab.run(["1"])
        urlopen(Request(f"{lab.server}/api/shutdown", b"", {"Authorization": f"token {lab.token}"})).close()
        ended = lab.command.wait()
        assert (ended.code, ended.processes, ended.temporary) == (0, [], [])
        assert "Error" not in ended.stderr


def test_jupyterlab_that_dies_is_no_success(tmp_path: Path) -> None:
    with open_lab(tmp_path) as lab:
        lab.run(["1"])
        jupyterlab_of(lab).kill()
        ended = lab.command.wait()
        assert (ended.code, ended.processes, ended.temporary) == (1, [], [])
        assert "Error: JupyterLab has ended with exit code 137; what it wrote is above." in ended.stderr


def test_executed_notebooks_of_a_run_run_again_as_they_are(made: tuple[Path, Path], tmp_path: Path) -> None:
    _, run = made
    names = ("ingest.ipynb", "analysis.ipynb")
    copies = [shutil.copy(run / name, tmp_path) for name in names]
    jupyter = Path(sys.executable).with_name("jupyter")
    done = subprocess.run([jupyter, "execute", "--inplace", *copies], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    changing = ("shop", "ingest_made_by")  # which tables there were, and whether they are made now or reused
    for name in names:
        before, after = (of_notebook(folder / name) for folder in (run, tmp_path))
        assert len(before) > 5
        assert [shown for shown in without_warnings(after) if shown["name"] not in changing] == [
            shown for shown in without_warnings(before) if shown["name"] not in changing
        ]


@pytest.fixture
def request_of(tmp_path: Path) -> RunRequest:
    """What `techco lab --step join --storage … --period 2023-08` asks for, with a name that needs care."""
    shop = tmp_path / 'the "shop" \\ é'
    shop.mkdir()
    return RunRequest(AUGUST, str(shop), steps=("join",), out=tmp_path / "out")


def copy_for(request: RunRequest) -> tuple[str, bool]:
    path, is_new = working_copy(request, Folder(request.storage))
    assert path.parent == request.out / "lab"
    return path.name, is_new


def test_a_copy_has_the_parameters_filled_in_and_is_the_template_else(request_of: RunRequest) -> None:
    template = templates_dir() / "join.ipynb"
    before = template.read_bytes()
    path, _ = working_copy(request_of, Folder(request_of.storage))
    found, shipped = (nbformat.read(notebook, as_version=4) for notebook in (path, template))
    nbformat.validate(found)
    assert [cell.source for cell in found.cells if cell.id != "parameters"] == [
        cell.source for cell in shipped.cells if cell.id != "parameters"
    ]
    filled, default = (parameters_cell(notebook).splitlines() for notebook in (path, template))
    assert [line.partition("  # ")[2] for line in filled] == [line.partition("  # ")[2] for line in default]
    values: dict[str, object] = {}
    exec("\n".join(filled), values)
    assert [values[name] for name in ("storage", "start_date", "end_date", "engine", "run_id")] == [
        request_of.storage, "2023-08-01", "2023-08-31", "sail", "",
    ]  # fmt: skip
    assert template.read_bytes() == before


def test_the_same_options_open_the_same_copy_as_the_user_has_left_it(request_of: RunRequest) -> None:
    name, is_new = copy_for(request_of)
    assert is_new
    path = request_of.out / "lab" / name
    left = path.read_text(encoding="utf-8").replace("# Join", "# My work")
    path.write_text(left, encoding="utf-8")
    assert copy_for(request_of) == (name, False)
    assert path.read_text(encoding="utf-8") == left


def test_other_options_never_open_or_overwrite_what_has_the_name(request_of: RunRequest, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = replace(request_of, storage=str(tmp_path / "other"))
    first, second, third = (f"join-2023-08-01_2023-08-31{number}.ipynb" for number in ("", "-2", "-3"))
    assert [copy_for(request_of), copy_for(other)] == [(first, True), (second, True)]
    assert [copy_for(request_of), copy_for(other)] == [(first, False), (second, False)]
    path = request_of.out / "lab" / first
    for left in (path.read_text(encoding="utf-8").replace("2023-08-31", "2023-08-30"), "not a notebook", "[]"):
        path.write_text(left, encoding="utf-8")
        assert copy_for(request_of)[0] == third
        assert path.read_text(encoding="utf-8") == left


def test_the_copy_of_the_sample_shop_names_it_so(tmp_path: Path) -> None:
    path, _ = working_copy(RunRequest(AUGUST, steps=("join",), out=tmp_path), Folder(str(tmp_path), is_sample=True))
    assert 'storage: str = "sample"' in parameters_cell(path)


def test_a_notebook_of_ones_own_needs_a_default_for_each_parameter(request_of: RunRequest, tmp_path: Path) -> None:
    parameters = 'storage = (\n    "ä"\n)  # where\nstart_date: str\nend_date, engine = "", ""\nrun_id: str = ""'
    write_notebook(tmp_path / "own" / "join.ipynb", "print(storage)", parameters=parameters)
    own = replace(request_of, templates=tmp_path / "own")
    with pytest.raises(ParameterError, match=r"join.ipynb does not assign end_date, engine, start_date in its cell"):
        copy_for(own)
    assert not list(tmp_path.rglob("lab/*"))
    good = parameters.replace("start_date: str", 'start_date: str = ""')
    good = good.replace('end_date, engine = "", ""', 'end_date = ""\nengine = "spark"')
    write_notebook(tmp_path / "own" / "join.ipynb", "print(storage)", parameters=good)
    copy_for(own)
    (path,) = tmp_path.rglob("lab/*")
    quoted = json.dumps(own.storage, ensure_ascii=False)
    assert parameters_cell(path).startswith(f'storage = (\n    {quoted}\n)  # where\nstart_date: str = "2023-08-01"\n')


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--storage", "nowhere", "--period", "2023-08"], 1, "nowhere does not exist"),
        (["--storage", "."], 2, "No period is given for the storage ."),
        (["--period", "2023-13"], 2, "2023-13"),
        (["--step", "analyse"], 2, "'analyse' is not a step. Allowed: ingest, join, analysis"),
        (["--engine", "duckdb"], 2, "Allowed: sail"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["lab", *words])
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert not list(tmp_path.iterdir())


def test_without_jupyterlab_the_command_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    result = CliRunner().invoke(app, ["lab", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert f"Install it: {sys.executable} -m pip install jupyterlab" in result.stderr
    assert not list(tmp_path.iterdir())
