"""No thread but the main one imports anything: many that import a package at once can fail.

The commands run in processes of their own, on real files of every character set and transfer syntax
that pydicom brings, with a token to be fetched and faults to be met; an audit hook (PEP 578) notes
who imports what. Without what the emulator loads beforehand (`parsing`, `images`) a test of this
file fails.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
import requests
from pydicom.data import get_charset_files

from reconciler.emulator import AlreadyStoredError, FaultKind, FaultRule, Faults, NotDicomError

from .sites import Ended, Site, ended, running_site
from .test_chaos_stopping import service_account

pytestmark = pytest.mark.slow

NOTING = """
import json, sys, threading
seen = {}
def note(event, args):
    thread = threading.current_thread()
    if event == "import" and thread is not threading.main_thread():
        seen[args[0]] = thread.name
sys.addaudithook(note)
from reconciler.cli.main import main
try:
    main()
finally:
    sys.stderr.write("\\nimports " + json.dumps(seen))
"""

FAULTS = Faults(
    (
        FaultRule(FaultKind.STATUS, "GET", status=503, probability=0.05),
        FaultRule(FaultKind.STATUS, "GET", status=429, retry_after=0, times=1),
        FaultRule(FaultKind.RESET, "GET", probability=0.05),
        FaultRule(FaultKind.TRUNCATE, "GET", probability=0.05),
        FaultRule(FaultKind.STATUS, "DELETE", status=401, times=1),
        FaultRule(FaultKind.STATUS, "DELETE", status=503, times=2, after_effect=True),
    )
)


def real_files() -> list[str]:
    return sorted({*pydicom.data.get_testdata_files("*.dcm"), *get_charset_files("*.dcm")})


def start(site: Site, *arguments: str) -> subprocess.Popen[str]:
    return site.start(*arguments, program=("-c", NOTING))


def require_no_imports(done: Ended) -> None:
    said, _, imports = done.err.rpartition("\nimports ")
    assert done.code == 0, said
    assert json.loads(imports) == {}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose store wants a token, with real files, and with faults that go by."""
    with running_site(tmp_path, require_token=True) as site:
        account = service_account(tmp_path, f"{site.emulator.url}/token")
        site.environment["GOOGLE_APPLICATION_CREDENTIALS"] = str(account)
        key = tmp_path / "key"
        key.write_text("ab" * 32 + "\n")
        site.environment["RECONCILER_PATIENT_KEY"] = str(key)
        for file in real_files():
            with suppress(NotDicomError, AlreadyStoredError):
                site.emulator.ingest(site.store, Path(file))
        yield site


def test_no_thread_of_a_command_imports_anything(site: Site) -> None:
    def typed(*arguments: str) -> None:
        require_no_imports(ended(start(site, *arguments)))

    specs = site.folder / "specs" / "all.yaml"
    specs.parent.mkdir()
    typed("query", _selection(site), "--format", "json")
    site.emulator.set_faults(FAULTS)
    removal = ("--remove", "--reason", "113037", "--archive", str(site.folder.parent / "archive"))
    typed("import", f"{site.store}", *removal, "--out", str(specs))
    typed("plan", "--shard-size", "2", "--out", "shards")
    typed("plan", "--probe", "retrieve", "--out", "plan.json")
    typed("show", "plan.json", "--thumbnails", "--write", "html=plan.html")
    typed("apply", "plan.json", "--report", "report.json")
    (run,) = site.runs.glob("*.jsonl")
    typed("restore", run.stem)


def _selection(site: Site) -> str:
    """A SELECT of all instances of a series that has several."""
    series = Counter(one.series for one in site.content()).most_common(1)[0][0]
    found = [one for one in site.content() if one.series == series]
    where = site.store.as_parameters() | {
        "studiesId": series.study_uid,
        "seriesId": series.series_uid,
    }
    conditions = [f"{name} = '{value}'" for name, value in where.items()]
    conditions.append(f"instancesId IN ({', '.join(repr(one.instance_uid) for one in found)})")
    return f"SELECT * FROM google.healthcare.instances WHERE {' AND '.join(conditions)}"


@pytest.mark.parametrize("shown", ["rendered", "frames/1", "bulkdata/7FE0/0010"])
def test_no_thread_of_the_emulator_imports_anything(tmp_path: Path, shown: str) -> None:
    with running_site(tmp_path) as site:
        child = start(site, "emulator", "--data", str(tmp_path / "data"), "--port", "0")
        assert child.stdout is not None
        url = re.search(r"http://127.0.0.1:\d+", child.stdout.readline())
        assert url is not None
        web = f"{url[0]}/v1/{site.store}/dicomWeb"
        kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=cut'}
        for file in real_files():
            part = b"--cut\r\nContent-Type: application/dicom\r\n\r\n" + Path(file).read_bytes()
            requests.post(f"{web}/studies", part + b"\r\n--cut--\r\n", headers=kind, timeout=30)
        fields = "includefield=0020000D,0020000E"
        rows = requests.get(f"{web}/instances?limit=1000&{fields}", timeout=30).json()
        assert len(rows) > 40
        with ThreadPoolExecutor(4) as pool:
            statuses = pool.map(status, (f"{web}{path_of(row)}/{shown}" for row in rows))
            assert 200 in statuses
        child.send_signal(signal.SIGINT)
        require_no_imports(ended(child))


def path_of(row: dict[str, Any]) -> str:
    levels = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}
    return "".join(f"/{level}/{row[tag]['Value'][0]}" for level, tag in levels.items())


def status(url: str) -> int:
    return requests.get(url, timeout=30).status_code
