"""Progress: a bar on a terminal, a line every ten seconds elsewhere, nothing for what is quick."""

import os
import pty
import subprocess
import sys

STEP = """
import sys, time
from reconciler.cli.output import progress
progress._LINE_SECONDS = 0.5
progress._SHOWN_AFTER *= float(sys.argv[2])
with progress.progress("deleting") as counter:
    for done in range(1, 101):
        counter.update(done, 100)
        time.sleep(float(sys.argv[1]) / 100)
"""


def on_a_terminal(seconds: float, *, slowness: int = 1) -> str:
    """What such a step shows; on a machine that slow, a bar comes that much later."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-c", STEP, str(seconds), str(slowness)], stderr=slave, env=environment
    ) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    os.close(master)
    assert process.returncode == 0
    return shown.decode()


def test_on_a_terminal_a_bar_tells_rate_and_remaining_time() -> None:
    shown = on_a_terminal(1.6)
    assert "deleting" in shown
    assert "of 100" in shown
    assert " per second" in shown
    assert "0:00:" in shown


def test_what_is_over_within_a_second_shows_no_bar() -> None:
    assert on_a_terminal(0.2, slowness=20) == ""


def test_elsewhere_a_line_tells_rate_and_remaining_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEP, "0.8", "1"], capture_output=True, text=True, check=True
    )
    line = done.stderr.splitlines()[0]
    assert line.startswith("deleting: ")
    assert " of 100, " in line
    assert " per second, " in line
    assert line.endswith(" s left")
