"""As much of a GitHub Actions runner as the action and the examples need, and no more.

Every ``run:`` is run as the runner does, by ``bash --noprofile --norc -eo pipefail``, in an
environment with the files and variables of GITHUB_*. Of ``uses:`` it knows what the examples use.
What it does not understand is an error, so that nothing is skipped unseen.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
Context = Mapping[str, Any]
Start = Callable[[list[str], dict[str, str], Path], "subprocess.CompletedProcess[str]"]
"""Runs a step's shell, in an environment and a folder."""

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<op>==|!=|&&|\|\||[()!])|(?P<number>\d+)"
    r"|(?P<name>[A-Za-z_][\w-]*(?:\.[A-Za-z_*][\w-]*)*))"
)


class Expression:
    """An expression of GitHub Actions: names, texts, ``==``, ``!=``, ``&&``, ``||``, ``!``, ()."""

    def __init__(self, text: str, context: Context, *, failed: bool) -> None:
        self._tokens = self._split(text)
        self._context = context
        self._failed = failed
        self.asks_always = False

    @staticmethod
    def _split(text: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise ValueError(f"not understood: {text[at:]!r}")
            tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        return tokens

    def value(self) -> Any:
        found = self._either()
        if self._tokens:
            raise ValueError(f"not understood: {self._tokens}")
        return found

    def _either(self) -> Any:
        found = self._both()
        while self._takes("||"):
            other = self._both()
            found = found or other
        return found

    def _both(self) -> Any:
        found = self._compared()
        while self._takes("&&"):
            other = self._compared()
            found = found and other
        return found

    def _compared(self) -> Any:
        found = self._single()
        if self._takes("=="):
            return _plain(found) == _plain(self._single())
        if self._takes("!="):
            return _plain(found) != _plain(self._single())
        return found

    def _single(self) -> Any:
        if self._takes("!"):
            return not self._single()
        if self._takes("("):
            found = self._either()
            assert self._takes(")")
            return found
        kind, token = self._tokens.pop(0)
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return int(token)
        if self._takes("("):
            assert self._takes(")")
            return self._called(token)
        return self._looked_up(token)

    def _called(self, name: str) -> bool:
        if name == "always":
            self.asks_always = True
            return True
        if name == "failure":
            self.asks_always = True
            return self._failed
        raise ValueError(f"no such function here: {name}")

    def _looked_up(self, name: str) -> Any:
        first, *rest = name.split(".")
        if first in {"true", "false"}:
            return first == "true"
        found: Any = self._context[first]
        for part in rest:
            found = found.get(part, "") if isinstance(found, Mapping) else ""
        return found

    def _takes(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == ("op", token):
            self._tokens.pop(0)
            return True
        return False


def _plain(value: Any) -> str:
    return "" if value is None else str(value).lower()


def filled(text: Any, context: Context) -> str:
    """A text with every ``${{ … }}`` in it evaluated."""

    def evaluated(match: re.Match[str]) -> str:
        value = Expression(match[1], context, failed=False).value()
        return str(value).lower() if isinstance(value, bool) else str(value)

    return re.sub(r"\$\{\{(.*?)\}\}", evaluated, str(text))


@dataclass
class Step:
    """What a step came to."""

    name: str
    outcome: str
    outputs: dict[str, str] = field(default_factory=dict)
    out: str = ""


@dataclass
class Job:
    """One job on one runner; ``workspace`` is the checkout."""

    workspace: Path
    temp: Path
    environment: Mapping[str, str]
    github: Mapping[str, Any]
    artifacts: Path
    needs: Mapping[str, Any] = field(default_factory=dict)
    dispatch: Mapping[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    action: Path | None = None
    start: Start | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    """Inputs of our action beside those that the workflow has."""

    def __post_init__(self) -> None:
        self._by_id: dict[str | None, Any] = {}
        self._failed = False

    @property
    def failed(self) -> bool:
        """Whether the job is red."""
        return self._failed

    def step(self, name: str) -> Step:
        (found,) = [step for step in self.steps if step.name == name]
        return found

    @property
    def summary(self) -> str:
        path = self.temp / "summary.md"
        return path.read_text() if path.exists() else ""

    def run_job(self, job: Mapping[str, Any]) -> dict[str, str]:
        """Run a job of a workflow; its outputs."""
        context = {"github": self.github, "needs": self.needs, "inputs": self.dispatch}
        context["runner"] = {"temp": str(self.temp)}
        self._run_steps(job["steps"], context)
        done = {"steps": self._by_id, **context}
        return {name: filled(text, done) for name, text in job.get("outputs", {}).items()}

    def run_action(self, folder: Path, given: Mapping[str, str]) -> dict[str, str]:
        """Run a composite action; its outputs."""
        action = yaml.safe_load((folder / "action.yml").read_text())
        unknown = given.keys() - action["inputs"].keys()
        assert not unknown, f"the action has no inputs {unknown}"
        context: dict[str, Any] = {"github": self.github, "runner": {"temp": str(self.temp)}}
        inputs = {
            name: str(given[name]) if name in given else filled(spec.get("default", ""), context)
            for name, spec in action["inputs"].items()
        }
        for name, spec in action["inputs"].items():
            assert name in given or not spec.get("required"), f"{name} is required"
        inner = replace(self, action=folder, steps=[], paths=self.paths)
        inner._run_steps(action["runs"]["steps"], {**context, "inputs": inputs})
        self.steps += inner.steps
        done = {"steps": inner._by_id, "inputs": inputs, **context}
        return {name: filled(spec["value"], done) for name, spec in action["outputs"].items()}

    def _run_steps(self, steps: list[Mapping[str, Any]], context: Mapping[str, Any]) -> None:
        for spec in steps:
            known = {**context, "steps": self._by_id}
            condition = Expression(str(spec.get("if", "true")).strip(), known, failed=self._failed)
            wanted = condition.value()
            if not wanted or (self._failed and not condition.asks_always):
                self._by_id[spec.get("id")] = {"outcome": "skipped"}
                continue
            step = self._run_step(spec, known)
            self._by_id[spec.get("id")] = {"outcome": step.outcome, "outputs": step.outputs}
            self._failed |= step.outcome == "failure" and not spec.get("continue-on-error", False)

    def _run_step(self, spec: Mapping[str, Any], context: Mapping[str, Any]) -> Step:
        name = spec.get("id") or spec.get("name") or spec["uses"]
        step = Step(name, "success")
        environment = {key: filled(value, context) for key, value in spec.get("env", {}).items()}
        if "run" in spec:
            assert spec.get("shell", "bash") == "bash"
            folder = self.workspace / filled(spec.get("working-directory", "."), context)
            self._run_script(spec["run"], environment, folder, step)
        else:
            given = {key: filled(value, context) for key, value in spec.get("with", {}).items()}
            before = len(self.steps)
            step.outputs = self._use(spec["uses"], given)
            if any(inner.outcome == "failure" for inner in self.steps[before:]):
                step.outcome = "failure"
        self.steps.append(step)
        return step

    def _use(self, action: str, given: Mapping[str, str]) -> dict[str, str]:
        name = action.partition("@")[0]
        if name == "OWNER/reconciler":
            return self.run_action(ROOT, {**given, **self.given})
        if name == "actions/upload-artifact":
            target = self.artifacts / given["name"]
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            source = self.workspace / given["path"]
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, target)
            return {}
        if name == "actions/checkout":
            # Whatever an earlier job left in the workspace is gone.
            for command in (["reset", "--quiet", "--hard"], ["clean", "--quiet", "-ffdx"]):
                subprocess.run(["git", *command], cwd=self.workspace, check=True)
            return {}
        if name in {"actions/setup-python", "google-github-actions/auth"}:
            return {}  # a store on loopback asks for no token
        raise ValueError(f"this runner has no {action}")

    def _run_script(self, script: str, extra: Mapping[str, str], folder: Path, step: Step) -> None:
        file = self.temp / "step.sh"
        file.write_text(script)
        files = {name: self.temp / f"{name.lower()}" for name in ("GITHUB_OUTPUT", "GITHUB_PATH")}
        for path in files.values():
            path.write_text("")
        environment = {
            **self.environment,
            "PATH": os.pathsep.join([*reversed(self.paths), self.environment["PATH"]]),
            "GITHUB_ACTIONS": "true",
            "CI": "true",
            "GITHUB_ACTION_PATH": str(self.action or ""),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_REPOSITORY": self.github["repository"],
            "GITHUB_REF_NAME": "main",
            "GITHUB_SHA": self.github.get("sha", ""),
            "GITHUB_RUN_ID": "1",
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary.md"),
            "RUNNER_TEMP": str(self.temp),
            **{name: str(path) for name, path in files.items()},
            **extra,
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)]
        done = (self.start or to_its_end)(command, environment, folder)
        step.out = done.stdout
        step.outcome = "success" if done.returncode == 0 else "failure"
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            key, _, value = line.partition("=")
            step.outputs[key] = value
        self.paths += files["GITHUB_PATH"].read_text().splitlines()


def to_its_end(
    command: list[str], environment: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


STATE = "gs://BUCKET/PREFIX"
"""What the examples have for the place of the state."""


def workflow(name: str, *, state: str = STATE) -> Mapping[str, Any]:
    """An example workflow, with the state where somebody put it who copied the example."""
    text = (ROOT / "docs" / "ci" / "github" / name).read_text()
    loaded: Mapping[str, Any] = yaml.safe_load(text.replace(STATE, state))
    return loaded
