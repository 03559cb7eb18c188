"""Recipes from elsewhere, with stand-ins for elsewhere: a local server, and two libraries."""

import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sslkit.recipe import address, from_hub, from_url, from_wandb
from sslkit.recipe.address import Address
from sslkit.recipe.fetching import fetch

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Answers(BaseHTTPRequestHandler):
    """What is at each path of the server."""

    def do_GET(self) -> None:
        path = self.path
        self.send_response(
            {"/missing.yaml": 404, "/moved.yaml": 302, "/down.yaml": 302}.get(path, 200)
        )
        if path == "/moved.yaml":
            self.send_header("Location", "https://test/good.yaml")
        if path == "/down.yaml":
            self.send_header("Location", "http://test/good.yaml")
        body = b"a: 1\n" * 100
        lengths = {"/short.yaml": 1000, "/huge.yaml": 1 << 40, "/liar.yaml": None, "/moved.yaml": 0}
        length = lengths.get(path, len(body))
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if path not in ("/moved.yaml", "/down.yaml", "/huge.yaml"):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


class Stand(urllib.request.HTTPSHandler):
    """Answers for ``https://test`` from the local server; everything else of the opener is ours."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def https_open(self, req: urllib.request.Request) -> Any:
        local = urllib.request.Request(f"http://127.0.0.1:{self.port}{req.selector}")
        local.timeout = req.timeout
        return urllib.request.HTTPHandler().http_open(local)


@pytest.fixture(scope="module")
def opener() -> Iterator[urllib.request.OpenerDirector]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    opener = from_url.https_opener()
    opener.handle_open["https"] = []
    opener.add_handler(Stand(server.server_address[1]))
    yield opener
    server.shutdown()
    server.server_close()


def get(name: str, folder: Path, opener: urllib.request.OpenerDirector) -> Path:
    return from_url.fetch(Address("url", f"https://test/{name}"), folder, opener=opener)


def test_a_file_is_downloaded(tmp_path: Path, opener: urllib.request.OpenerDirector) -> None:
    file = get("good.yaml", tmp_path, opener)
    assert file == tmp_path / "good.yaml" and file.read_bytes() == b"a: 1\n" * 100
    assert get("moved.yaml", tmp_path, opener).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("down.yaml", ValueError, "leads to http://test/good.yaml, and only https"),
        ("missing.yaml", OSError, "cannot be fetched: HTTP Error 404"),
        ("short.yaml", OSError, "cannot be fetched|ended after 500 of 1,000"),
        ("huge.yaml", ValueError, "has 1,099,511,627,776 bytes, and at most"),
        ("a.zip", ValueError, "not the address of a file called"),
    ],
)
def test_what_is_not_downloaded(
    name: str,
    kind: type[Exception],
    words: str,
    tmp_path: Path,
    opener: urllib.request.OpenerDirector,
) -> None:
    with pytest.raises(kind, match=words):
        get(name, tmp_path, opener)


def test_the_limit_holds_whatever_the_answer_says_of_its_length(
    tmp_path: Path, opener: urllib.request.OpenerDirector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_url, "LARGEST", 499)
    for name in ("good.yaml", "liar.yaml"):
        with pytest.raises(ValueError, match="has 500 bytes, and at most"):
            get(name, tmp_path, opener)


@pytest.mark.parametrize("url", ["http://test/a.yaml", "file:///etc/a.yaml", "ftp://test/a.yaml"])
def test_nothing_but_https_is_opened(url: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot be fetched"):
        from_url.fetch(Address("url", url), tmp_path)


class Hub:
    """As much of ``HfApi`` as is used."""

    def __init__(self, files: dict[str, int | None], put: str | None = None) -> None:
        self.files, self.put = files, put
        self.asked: list[tuple[str, str]] = []

    def model_info(self, repo: str, *, revision: str, files_metadata: bool) -> Any:
        self.asked.append((repo, revision))
        assert files_metadata
        found = [SimpleNamespace(rfilename=n, size=s) for n, s in self.files.items()]
        return SimpleNamespace(siblings=found)

    def hf_hub_download(self, repo: str, name: str, *, revision: str, local_dir: str) -> str:
        self.asked.append((repo, revision))
        file = Path(local_dir, self.put or name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a: 1\n")
        return str(file)


def test_a_repository_is_read_at_its_commit(tmp_path: Path) -> None:
    place = Address("hub", "me/birds", COMMIT)
    hub = Hub({"README.md": 3, "sub/a.sslrecipe": 5})
    file = from_hub.fetch(place, tmp_path, api=hub)
    assert file == (tmp_path / "sub/a.sslrecipe").resolve()
    assert hub.asked == [("me/birds", COMMIT)] * 2
    for size in (None, address.LARGEST + 1):
        with pytest.raises(ValueError, match="are fetched"):
            from_hub.fetch(place, tmp_path, api=Hub({"a.yaml": size}))
    with pytest.raises(FileNotFoundError, match="me/birds at 0123456789"):
        from_hub.fetch(place, tmp_path, api=Hub({"model.bin": 1}))
    (tmp_path / "in").mkdir()
    with pytest.raises(ValueError, match="it is not used"):
        from_hub.fetch(place, tmp_path / "in", api=Hub({"a.yaml": 1}, put="../a.yaml"))


def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    class Away:
        def model_info(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("no network")

    with pytest.raises(OSError, match=r"the hub does not give me/birds at 0123.*no network"):
        from_hub.fetch(Address("hub", "me/birds", COMMIT), tmp_path, api=Away())


class Artifacts:
    """As much of ``wandb.Api`` as is used."""

    def __init__(self, size: int = 5, ref: str | None = None) -> None:
        self.entry = SimpleNamespace(size=size, ref=ref, download=self.download)
        self.manifest = SimpleNamespace(entries={"a.sslrecipe": self.entry})
        self.asked: list[str] = []

    def artifact(self, name: str) -> "Artifacts":
        self.asked.append(name)
        return self

    def get_entry(self, name: str) -> Any:
        return self.manifest.entries[name]

    def download(self, root: str) -> str:
        (Path(root) / "a.sslrecipe").write_text("x")
        return str(Path(root) / "a.sslrecipe")


def test_an_artifact_is_read_at_its_version(tmp_path: Path) -> None:
    place = Address("wandb", "me/project/birds", "v3")
    api = Artifacts()
    assert from_wandb.fetch(place, tmp_path, api=api).samefile(tmp_path / "a.sslrecipe")
    assert api.asked == ["me/project/birds:v3"]
    with pytest.raises(ValueError, match="are fetched"):
        from_wandb.fetch(place, tmp_path, api=Artifacts(size=address.LARGEST + 1))
    with pytest.raises(ValueError, match=r"refers to file:///etc/passwd: not used"):
        from_wandb.fetch(place, tmp_path, api=Artifacts(ref="file:///etc/passwd"))
    with pytest.raises(OSError, match=r"wandb does not give me/project/birds:v3: 'x'"):
        from_wandb.fetch(place, tmp_path, api=SimpleNamespace(artifact=lambda name: {}["x"]))


def test_each_kind_has_its_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, module in (("url", from_url), ("hub", from_hub), ("wandb", from_wandb)):
        monkeypatch.setattr(module, "fetch", lambda place, folder, kind=kind: folder / kind)
        assert fetch(Address(kind, "x"), tmp_path) == tmp_path / kind  # type: ignore[arg-type]
