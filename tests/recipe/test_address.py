from pathlib import Path

import pytest

from sslkit.recipe.address import Address, file_name, inside, only_recipe, parse_address

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("a.sslrecipe", Address("file", "a.sslrecipe")),
        ("../b/c.yaml", Address("file", "../b/c.yaml")),
        ("https://x.org/a.sslrecipe?b=1", Address("url", "https://x.org/a.sslrecipe?b=1")),
        (f"hf:me/birds@{COMMIT}", Address("hub", "me/birds", COMMIT)),
        (
            f"hf:me/birds@{COMMIT}:sub/a b.yaml",
            Address("hub", "me/birds", COMMIT, "sub/a b.yaml"),
        ),
        (f"me/birds@{COMMIT}", Address("hub", "me/birds", COMMIT)),
        ("me/project/birds:v12", Address("wandb", "me/project/birds", "v12")),
        ("me/birds", Address("file", "me/birds")),
        ("C:/a.yaml", Address("file", "C:/a.yaml")),
        ("wandb:me/project/birds:v12", Address("wandb", "me/project/birds", "v12")),
        ("wandb:project/birds:v0:a.yaml", Address("wandb", "project/birds", "v0", "a.yaml")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "http://x.org/a.yaml",
        "HTTP://x.org/a.yaml",
        "ftp://x.org/a.yaml",
        "file:///etc/passwd",
        "s3://bucket/a.yaml",
        "hf://me/birds",
        "wandb-artifact://me/project/birds:latest",
    ],
)
def test_only_https_is_fetched(text: str) -> None:
    with pytest.raises(ValueError, match="only https:// is"):
        parse_address(text)


@pytest.mark.parametrize("pin", ["", "@main", "@v1.0", f"@{COMMIT[:12]}", f"@{COMMIT.upper()}"])
def test_a_repository_is_pinned_to_a_commit(pin: str) -> None:
    with pytest.raises(ValueError, match="all 40 digits"):
        parse_address(f"hf:me/birds{pin}")
    if pin:
        with pytest.raises(ValueError, match="all 40 digits"):
            parse_address(f"me/birds{pin}")


@pytest.mark.parametrize("pin", ["", ":latest", ":v", ":best", ":V0", ":v0a"])
def test_an_artifact_is_pinned_to_a_version(pin: str) -> None:
    with pytest.raises(ValueError, match="with the artifact's version"):
        parse_address(f"wandb:me/project/birds{pin}")


def test_a_file_that_is_there_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (f"me/birds@{COMMIT}", "me/birds:v0"):
        assert parse_address(name).kind != "file"
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
        assert parse_address(name) == Address("file", name)


@pytest.mark.parametrize("name", ["../a.yaml", "/a.yaml", "a/../b.yaml", "a\\b.yaml", ".a.yaml"])
def test_a_file_in_a_repository_is_in_it(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a file in"):
        parse_address(f"hf:me/birds@{COMMIT}:{name}")
    with pytest.raises(ValueError, match="not the name of a file in"):
        only_recipe([name], Address("hub", "me/birds", COMMIT))


def test_which_file_is_meant() -> None:
    any_of = Address("hub", "me/birds", COMMIT)
    assert only_recipe(["README.md", "a.yaml"], any_of) == "a.yaml"
    assert only_recipe(["config.yaml", "a.sslrecipe"], any_of) == "a.sslrecipe"
    named = Address("hub", "me/birds", COMMIT, "b.yaml")
    assert only_recipe(["a.yaml", "b.yaml"], named) == "b.yaml"
    with pytest.raises(ValueError, match=r"has a\.yaml, b\.yaml: name one"):
        only_recipe(["b.yaml", "a.yaml"], any_of)
    for names, address in ((["README.md"], any_of), (["a.yaml"], named), ([], any_of)):
        with pytest.raises(FileNotFoundError, match="has no"):
            only_recipe(names, address)


def test_what_a_download_is_called() -> None:
    assert file_name("https://x.org/a/b-1.0.sslrecipe?token=c#d") == "b-1.0.sslrecipe"
    for path in ("", "a", "a.zip", "..%2F.yaml%00", "%2e%2e%5ca.yaml", "a%20b.yaml"):
        with pytest.raises(ValueError, match="not the address of a file called"):
            file_name(f"https://x.org/{path}")


def test_what_was_put_elsewhere_is_not_used(tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    other.write_text("x")
    (folder / "good").write_text("x")
    (folder / "link").symlink_to(other)
    assert inside(folder / "good", folder).samefile(folder / "good")
    for path in (other, folder / "link", folder / ".." / "other", folder, folder / "missing"):
        with pytest.raises(ValueError, match="it is not used"):
            inside(path, folder)
