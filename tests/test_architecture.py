"""The house rules: who may import whom, and what only one room may do.

The table is the one in docs/design.md; a change of either is a change of both.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from reconciler.live.providers.table import PROVIDERS
from reconciler.model.address import Provider

PACKAGE = Path(__file__).parents[1] / "reconciler"

ALL_ABOVE_APPLYING = {"model", "errors", "dicom", "desired", "live", "planning", "journal"}
MOST_FILES = 25
MAY_IMPORT = {
    "model": set(),
    "errors": {"model"},
    "json_stream": set(),
    "json_codec": {"model"},  # an address is written under the API's names, and a time in one form
    "outside_memory": {"errors"},
    "regular_file": set(),
    "durable_folder": set(),
    "dicom": set(),
    "desired": {"model", "errors", "outside_memory", "regular_file"},
    "checkout": {"model", "errors", "regular_file", "desired"},
    "live": {"model", "errors", "json_stream", "dicom"},
    "survey": {"model", "errors", "live"},
    "selecting": {"model", "errors", "desired", "live"},
    "planning": {
        "model",
        "errors",
        "json_stream",
        "json_codec",
        "objects",  # a plan may lie in a bucket
        "outside_memory",
    },
    "objects": {"errors", "durable_folder", "regular_file"},
    "journal": {"model", "errors", "json_codec", "durable_folder", "objects"},
    "applying": ALL_ABOVE_APPLYING | {"durable_folder"},
    "reporting": {"model", "json_codec"},
    "audit": {"model", "errors", "regular_file", "dicom", "journal", "reporting"},
    "query": ALL_ABOVE_APPLYING | {"applying", "reporting"},
    "emulator": {"model"},
    "api": ALL_ABOVE_APPLYING
    | {"applying", "audit", "checkout", "objects", "reporting", "selecting", "survey"}
    | {"durable_folder", "outside_memory", "regular_file"},
    "beam": set(),  # the public names alone, as any other client
    "drill": ALL_ABOVE_APPLYING | {"applying", "reporting", "emulator"},
}
"""Beside itself; ``cli`` may import everything."""

ONLY_IN = {
    "requests": {"live"},
    "urllib3": {"live"},
    "google": {"live", "objects"},  # whose credentials are both a DICOM store's and a bucket's
    "obstore": {"objects"},
    "apache_beam": {"beam"},
    "filelock": {"journal"},
    "yaml": {"desired"},
    "jsonschema": {"desired"},
    "aiohttp": {"emulator"},
    "pydicom": {"dicom", "emulator"},
    "securesystemslib": {"audit"},
    "cryptography": {"audit"},
    "sqlglot": {"query"},
    "jinja2": {"reporting"},
    "markupsafe": {"reporting"},
    "sqlite3": {"emulator", "outside_memory"},
    "subprocess": {"checkout", "drill", "cli"},
    "ssl": {"live", "emulator", "audit"},
    "socket": {"live", "emulator", "audit", "api", "cli"},
    "click": {"cli"},
    "rich": {"cli"},
}
"""Third-party packages (and sqlite3, ssl, socket, subprocess) with the rooms that use them."""

ONLY_IN_CLI = {"print", "sys.exit", "os.environ", "os.getenv", "signal.signal", "getpass"}
CALLED_ONLY_AT_THE_EDGE = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "time.time",
    "time.time_ns",
    "random.Random",
    "random.random",
    "uuid.uuid4",
    "secrets.token_hex",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_stands_before_it(path: Path) -> None:
    room = room_of(path)
    if room in {"cli", "__main__", "__init__"}:
        return
    for name in imported(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] == "reconciler" and len(parts) > 1 and parts[1] != "__version__":
            assert parts[1] == room or parts[1] in MAY_IMPORT[room], f"{room} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_package_is_used_in_its_rooms_only(path: Path) -> None:
    for name in imported(ast.parse(path.read_text())):
        rooms = ONLY_IN.get(name.split(".")[0])
        assert rooms is None or room_of(path) in rooms, f"{path} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_output_and_environment_belong_to_the_cli_clock_and_randomness_to_the_edge(
    path: Path,
) -> None:
    """The API has a clock and randomness of its own, and takes all else as arguments."""
    if room_of(path) in {"cli", "__main__"}:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        used = dotted(node)
        called = dotted(node.func) if isinstance(node, ast.Call) else ""
        place = f"{path}:{getattr(node, 'lineno', 0)}"
        assert not is_one_of(used, ONLY_IN_CLI), f"{place} uses {used}"
        if room_of(path) == "api":
            continue
        assert not is_one_of(called, CALLED_ONLY_AT_THE_EDGE), f"{place} calls {called}"


def is_one_of(name: str, names: set[str]) -> bool:
    return any(name == one or name.endswith(f".{one}") for one in names)


def test_every_room_has_a_rule() -> None:
    rooms = {room_of(path) for path in modules()} - {"cli", "__main__", "__init__"}
    assert rooms == set(MAY_IMPORT)


def test_the_folders_of_the_rooms_are_those_that_the_design_names() -> None:
    """Each has a word on what it is for; what holds no module is part of the folder above it."""
    design = (PACKAGE.parent / "docs" / "design.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)/` \| (`\w+[\w/]*/`.*) \|$", design, re.MULTILINE)
    named = {f"{room}/{one}" for room, said in rows for one in re.findall(r"`([\w/]+)/`", said)}
    there = {str(folder.parent.relative_to(PACKAGE)) for folder in PACKAGE.glob("*/**/__init__.py")}
    folders = {one for one in there if "/" in one}
    assert named == folders - {"live/providers"}


def test_no_folder_is_an_alphabet() -> None:
    for folder in {path.parent for path in modules()}:
        assert len(list(folder.glob("*.py"))) <= MOST_FILES, folder


def test_folders_of_a_room_import_one_way() -> None:
    """A folder of a room is one place, and so is each module beside it."""
    ways: dict[str, set[str]] = {}
    for path in modules():
        here = place_of(path.relative_to(PACKAGE).with_suffix("").parts)
        for name in imported(ast.parse(path.read_text())):
            there = place_of(tuple(name.split(".")[1:]))
            if here.partition(".")[0] == there.partition(".")[0] and there not in {here, ""}:
                ways.setdefault(here, set()).add(there)
    for here in ways:
        assert here not in reached_from(here, ways), f"{here} imports itself by way of others"


def place_of(parts: tuple[str, ...]) -> str:
    """The room with its folder, or with the module that lies in no folder."""
    name = ".".join(parts[:2])
    target = PACKAGE.joinpath(*parts[:2])
    is_place = len(parts) > 1 and (target.is_dir() or target.with_suffix(".py").is_file())
    return name if is_place and parts[1] != "__init__" else ""


def reached_from(here: str, ways: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [*ways[here]]
    while waiting:
        place = waiting.pop()
        if place not in reached:
            reached.add(place)
            waiting.extend(ways.get(place, ()))
    return reached


def calls_of(name: str) -> list[Path]:
    """The modules that name a method of that name, of something that is not ``self``."""
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            is_named = isinstance(node, ast.Attribute) and node.attr == name
            if is_named and dotted(node.value) != "self":
                found.append(path)
    return found


def test_only_one_place_in_applying_deletes_from_a_store() -> None:
    deleting = [path for path in calls_of("delete") if room_of(path) not in {"emulator", "live"}]
    in_applying = [path for path in deleting if room_of(path) == "applying"]
    assert {path.name for path in in_applying} == {"apply.py", "deletion.py"}
    source = (PACKAGE / "applying" / "deletion.py").read_text()
    assert source.count("partial(store.delete, instance)") == 1
    assert (PACKAGE / "applying" / "apply.py").read_text().count("deleter.delete,") == 1


def test_the_verb_delete_stands_in_live_only() -> None:
    for path in modules():
        # in SQL it is the verb of a plan
        if room_of(path) in {"live", "emulator", "query"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            is_verb = isinstance(node, ast.Constant) and node.value == "DELETE"
            assert not is_verb, f"{path} holds the verb DELETE"


def test_a_provider_is_named_where_it_is_described_and_where_it_speaks_only() -> None:
    """A third one touches these places and no more."""
    names = {f"Provider.{provider.name}" for provider in Provider}
    naming = {
        str(path.relative_to(PACKAGE).parent)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if dotted(node) in names
    }
    assert naming == {"model", "live/providers", "live/providers/orthanc"}
    assert (PACKAGE / "model" / "address.py").read_text().count("Provider.GOOGLE") == 2


def test_every_provider_is_described_and_speaks() -> None:
    assert set(PROVIDERS) == {provider for provider in Provider if provider.facts}
