"""What `resolve` writes, says and refuses."""

from __future__ import annotations

from .conftest import Made, Project

OLD_US = "{level: study, studyDate: {olderThan: 10y}, modalities: {only: [US]}}"


def test_a_rule_becomes_a_list_and_the_file_that_pins_it(project: Project) -> None:
    project.put(
        Made("1.2.10", "20140301", series=(("US", 2), ("US", 1))),
        Made("1.2.9", "20150301"),
        Made("1.2.8", "20150301", series=(("US", 1), ("SR", 1))),
        Made("1.2.7", "20250301"),
        Made("1.2.6", None),
    )
    project.write("us-10y.yaml", OLD_US)

    done = project.run("resolve", "--as-of", "2026-11-30")

    assert done.code == 0, done.err
    print(done.out)
    print(project.pinned("us-10y"))
    assert project.listed("us-10y") == ["1.2.10", "1.2.9"]
    assert project.run("fmt", "--check", "specs").code == 0
    again = project.run("resolve", "--check")
    assert again.code == 0, again.out
    planned = project.run("plan")
    assert planned.code == 0, planned.out + planned.err
