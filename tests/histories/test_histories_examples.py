"""Histories that once told a story that was not so: each in its own words, and all readers asked.

`Past` holds every step against the model; what stands here besides is what the case is about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest

from reconciler.emulator import FaultKind, FaultRule, Faults

from ..sampling import some
from .answers import Listed, read_dry_run, read_headline, read_removed_again, read_rows
from .ground import Answer, Kill, Meanwhile, Site
from .model import ALREADY_ABSENT, DELETED, Key, Removal, Verified
from .past import REFUSED, Made, Past, Spec, Trouble

ONE, TWO, THREE = (Key("a", number) for number in (1, 2, 3))
OTHER = Key("b", 1)
HOUR = timedelta(hours=1)

BEFORE_DELETE = Kill(1, on="DELETE .* leaves")
AFTER_DELETE = Kill(1, on="DELETE .* is answered")


def past_of(site: Site, *specs: Spec, keys: Iterable[Key] = (ONE, TWO, THREE, OTHER)) -> Past:
    return Past(site, keys, specs)


def spec(name: str, *keys: Key, **given: object) -> Spec:
    return Spec(name, frozenset(keys), **given)  # type: ignore[arg-type]  # as in Spec


def removed(past: Past, name: str, state: str = "first", endpoint: str | None = None) -> str:
    """Plan a file, apply the plan to the end, and give the run."""
    before = set(past.runs.get(state, {}))
    assert past.apply(past.plan(past.specs[name], state, endpoint), state).code == 0
    (run,) = past.runs[state].keys() - before
    return run


def only_run(past: Past, plan: Made) -> str:
    """The latest run of a plan."""
    return past.model("first").of_plan(plan.plan)[-1].name


def failing(site: Site, key: Key, fault: FaultRule) -> Trouble:
    """The DELETE of an instance goes wrong in this way."""
    rule = FaultRule(
        fault.fault, "DELETE", f"/{site.uid(key)}$", times=fault.times, status=fault.status
    )
    return Trouble(Faults((rule,)))


def blind(site: Site, key: Key, *, times: int | None = None) -> FaultRule:
    path = f"/{site.uid(key)}/metadata$"
    return FaultRule(FaultKind.HTML, "GET", path, status=200, times=times)


# Late settlements


@pytest.mark.parametrize("kill", [BEFORE_DELETE, AFTER_DELETE], ids=["unsent", "unanswered"])
def test_a_removal_has_the_place_of_its_attempt_not_of_its_settlement(
    site: Site, kill: Kill
) -> None:
    past = past_of(site, spec("p", ONE), spec("q", ONE), spec("r", TWO))
    first, second = past.plan(past.specs["p"]), past.plan(past.specs["q"])
    past.apply(first, due=kill)
    a = only_run(past, first)
    if kill is AFTER_DELETE:
        past.someone_stores(ONE)
    # One strange answer to the probe that would settle a's attempt.
    once = Trouble(Faults((blind(site, ONE, times=1),)), frozenset({ONE}))
    past.apply(second, trouble=once)
    assert ONE not in site.content()

    assert removed(past, "r")  # another apply to the store, which settles it
    assert past.model("first").open_attempts() == set()
    restored = past.restore(a)
    assert ONE not in site.content(), "b removed it later, on purpose"
    assert "it is not put back" in restored.out
    past.look()


def test_the_proof_of_a_settled_attempt_is_told(site: Site) -> None:
    past = past_of(site, spec("p", ONE), spec("q", ONE), spec("r", TWO))
    first, second = past.plan(past.specs["p"]), past.plan(past.specs["q"])
    past.apply(first, due=BEFORE_DELETE)
    once = Trouble(Faults((blind(site, ONE, times=1),)), frozenset({ONE}))
    past.apply(second, trouble=once)
    settler = removed(past, "r")
    rows = read_rows(site, site.run("audit", "export", "--format", "csv"))
    (row,) = [row for row in rows if row.run == only_run(past, first)]
    assert row.is_proven
    assert row.settled_by in {settler, only_run(past, second)}


# An old plan again


@pytest.mark.parametrize("keys", [(THREE,), (ONE, TWO, THREE)], ids=["one", "three"])
def test_an_apply_that_was_killed_while_it_copied_has_attempted_nothing(
    site: Site, keys: tuple[Key, ...]
) -> None:
    past = past_of(site, spec("r", *keys))
    first = past.plan(past.specs["r"])
    past.apply(first, due=Kill(1, on=f"GET .*/{site.uid(THREE)} leaves"))
    assert THREE in site.content()
    second = past.plan(past.specs["r"])
    assert past.apply(second).code == 0
    again = past.apply(first)
    assert (again.code, again.deletes) == (0, ())
    assert outcomes(past, first)[THREE] == ALREADY_ABSENT
    past.look()
    all_come_back(past)


@pytest.mark.parametrize("kill", [BEFORE_DELETE, AFTER_DELETE], ids=["unsent", "unanswered"])
def test_an_old_plan_tells_whose_removal_it_was(site: Site, kill: Kill) -> None:
    """Where its own DELETE had no effect, another plan's removed the instance."""
    past = past_of(site, spec("r", ONE, TWO, THREE))
    first = past.plan(past.specs["r"])
    past.apply(first, due=Kill(1, on=kill.on.replace("DELETE .*", f"DELETE .*/{site.uid(THREE)}")))
    assert (THREE in site.content()) == (kill is BEFORE_DELETE)
    second = past.plan(past.specs["r"])
    past.apply(second)
    again = past.apply(first)
    assert (again.code, again.deletes) == (0, ())
    if kill is BEFORE_DELETE:
        assert outcomes(past, first)[THREE] == ALREADY_ABSENT
        assert outcomes(past, second)[THREE] == DELETED
    past.look()
    all_come_back(past)


def outcomes(past: Past, plan: Made) -> dict[Key, str]:
    """What the latest runs of a plan verified."""
    runs = past.model("first").of_plan(plan.plan)
    steps = [step for run in runs for step in run.steps if isinstance(step, Verified)]
    return {step.key: step.outcome for step in steps}


def all_come_back(past: Past) -> None:
    """Restore every run that archived anything: no image is lost."""
    model = past.model("first")
    for run in [run for run in model.runs.values() if run.plan and model.archived(run.name)]:
        past.restore(run.name)
    assert set(past.keys) <= past.site.content()
    past.look()


def test_an_old_plan_sends_no_delete_for_what_another_removed(site: Site) -> None:
    past = past_of(site, spec("p", ONE, TWO), spec("q", TWO))
    old = past.plan(past.specs["p"])
    removed(past, "q")
    answer = past.apply(old)
    assert [site.key_of(uid) for uid in answer.deletes] == [ONE]
    assert outcomes(past, old) == {ONE: DELETED, TWO: ALREADY_ABSENT}
    past.look()


# What failed does not move the past


def refused(site: Site, key: Key, past: Past) -> None:
    past.apply(past.plan(past.specs["other"]), trouble=failing(site, key, _status(403)))


def unclear_to_the_end(site: Site, key: Key, past: Past) -> None:
    past.apply(past.plan(past.specs["other"]), trouble=failing(site, key, _status(500)))


def killed_before_it_was_sent(_site: Site, _key: Key, past: Past) -> None:
    past.apply(past.plan(past.specs["other"]), due=BEFORE_DELETE)


def killed_after_it_was_sent(site: Site, key: Key, past: Past) -> None:
    """It had no effect, and the answer that said so was never read."""
    fault = failing(site, key, _status(500))
    past.apply(past.plan(past.specs["other"]), trouble=fault, due=AFTER_DELETE)


def settled_as_failed(site: Site, key: Key, past: Past) -> None:
    killed_before_it_was_sent(site, key, past)
    removed(past, "settler")


def unconfirmed(site: Site, key: Key, past: Past) -> None:
    fault = FaultRule(FaultKind.STATUS, "DELETE", f"/{site.uid(key)}$", status=500)
    trouble = Trouble(Faults((fault, blind(site, key))), frozenset({key}))
    past.apply(past.plan(past.specs["other"]), trouble=trouble)


def _status(status: int) -> FaultRule:
    return FaultRule(FaultKind.STATUS, status=status)


Variant = Callable[[Site, Key, Past], None]
VARIANTS = [
    refused,
    unclear_to_the_end,
    killed_before_it_was_sent,
    killed_after_it_was_sent,
    settled_as_failed,
    unconfirmed,
]
variants = pytest.mark.parametrize("fails", VARIANTS)


def past_of_two(site: Site) -> Past:
    """Two files that remove one instance for two reasons, and one that settles."""
    other = spec("other", ONE, code="113039")
    return past_of(site, spec("first", ONE), other, spec("settler", TWO, code="113039"))


def require_refused(past: Past, gate: str) -> None:
    """The same commands twice, and the same plan twice: each is refused by the gate."""
    for _ in range(2):
        made = past.plan(past.specs["first"])
        assert gate in made.planned.blocking
        for _ in range(2):
            assert past.apply(made).code == REFUSED
    for _ in range(2):
        answer = past.apply_file(past.specs["first"])
        assert (answer.code, answer.deletes) == (REFUSED, ()), answer
    assert ONE in past.site.content()
    past.look()


@variants
def test_what_was_restored_stays_restored_when_another_delete_fails(
    site: Site, fails: Variant
) -> None:
    past = past_of_two(site)
    past.restore(removed(past, "first"))
    fails(site, ONE, past)
    require_refused(past, "restored")


@variants
def test_what_reappeared_stays_so_when_another_delete_fails(site: Site, fails: Variant) -> None:
    past = past_of_two(site)
    removed(past, "first")
    past.someone_stores(ONE)
    fails(site, ONE, past)
    require_refused(past, "maxReappeared")


# Order is not a clock


def another_store(past: Past) -> None:
    removed(past, "o")


def another_endpoint(past: Past) -> None:
    removed(past, "o", endpoint=past.site.by_name)


def same_store_at_another_endpoint(past: Past) -> None:
    removed(past, "t", endpoint=past.site.by_name)


def nothing(_past: Past) -> None:
    """The plain case."""


between = pytest.mark.parametrize(
    "lies_between",
    some([nothing, another_store, another_endpoint, same_store_at_another_endpoint], each=3),
)
set_back = pytest.mark.parametrize(
    "by", some([HOUR, timedelta(days=900)]), ids=["an hour", "two and a half years"]
)


def past_of_a_removal(site: Site) -> Past:
    """Files of a removal with an archive, a later one without, and what lies between."""
    erasure = spec("erasure", ONE, code="113039", archive=False)
    return past_of(site, spec("first", ONE), erasure, spec("o", OTHER), spec("t", TWO))


def require_not_put_back(past: Past, run: str) -> None:
    dry = read_dry_run(past.site.run("restore", run, "--dry-run"))
    assert (dry.waiting, dry.restored_already, dry.removed_again) == (0, 0, 1)
    past.restore(run)
    assert ONE not in past.site.content()
    past.look()


@between
@set_back
def test_what_was_removed_later_is_not_put_back_though_the_clock_was_set_back(
    site: Site, lies_between: Callable[[Past], None], by: timedelta
) -> None:
    past = past_of_a_removal(site)
    run = removed(past, "first")
    past.someone_stores(ONE)
    lies_between(past)
    site.clock.jump(-by)
    removed(past, "erasure")
    require_not_put_back(past, run)


@between
@set_back
def test_what_was_restored_and_removed_since_is_not_called_identical(
    site: Site, lies_between: Callable[[Past], None], by: timedelta
) -> None:
    past = past_of_a_removal(site)
    run = removed(past, "first")
    past.restore(run)
    lies_between(past)
    site.clock.jump(-by)
    removed(past, "erasure")
    require_not_put_back(past, run)


@set_back
@pytest.mark.parametrize("step", [1, 4, 8])
def test_a_run_that_began_while_another_was_under_way_has_its_place(
    site: Site, by: timedelta, step: int
) -> None:
    past = past_of_a_removal(site)
    run = removed(past, "first")
    past.restore(run)
    other = past.plan(past.specs["o"])
    made = past.plan(past.specs["erasure"])

    def meanwhile() -> None:
        site.clock.jump(-by)
        # A plan is no older than it says.
        erased = made if by < HOUR else past.plan(past.specs["erasure"])
        past.apply(erased)
        site.clock.jump(by)

    assert past.apply(other, due=Meanwhile(step, meanwhile)).code == 0
    assert ONE not in site.content()
    require_not_put_back(past, run)


@set_back
@pytest.mark.parametrize("is_latest", [True, False], ids=["latest", "older"])
def test_runs_that_were_copied_in_come_before_what_came_after_the_copy(
    site: Site, by: timedelta, is_latest: bool
) -> None:
    """Also where the folder had later runs of its own by then."""
    past = past_of_a_removal(site)
    if is_latest:
        removed(past, "t")
    run = removed(past, "first", "second")
    past.someone_stores(ONE)
    if not is_latest:
        site.clock.jump(HOUR / 2)
        removed(past, "t")
    past.copy("second", "first")
    site.clock.jump(-by)
    removed(past, "erasure")
    require_not_put_back(past, run)


# One store, by two names


def test_a_store_has_one_past_by_whatever_name(site: Site) -> None:
    past = past_of_two(site)
    run = removed(past, "first", endpoint=site.by_address)
    past.someone_stores(ONE)
    made = past.plan(past.specs["first"], endpoint=site.by_name)
    assert made.planned.reappeared == {ONE: Listed(run, is_restored=False)}
    assert past.apply(made).code == REFUSED
    site.remove(ONE)
    past.restore(run)
    made = past.plan(past.specs["first"], endpoint=site.by_name)
    assert made.planned.reappeared == {ONE: Listed(run, is_restored=True)}
    past.look()


def test_an_attempt_is_settled_by_whatever_name(site: Site) -> None:
    past = past_of_two(site)
    past.apply(past.plan(past.specs["first"], endpoint=site.by_address), due=AFTER_DELETE)
    removed(past, "settler", endpoint=site.by_name)
    assert past.model("first").open_attempts() == set()
    past.look()


def test_what_was_removed_later_by_another_name_is_not_put_back(site: Site) -> None:
    past = past_of_a_removal(site)
    run = removed(past, "first", endpoint=site.by_address)
    past.restore(run)
    removed(past, "erasure", endpoint=site.by_name)
    require_not_put_back(past, run)


# A plan that was made without the record


def test_a_plan_without_the_record_deletes_nothing_that_was_restored(site: Site) -> None:
    past = past_of_two(site)
    run = removed(past, "first")
    past.restore(run)
    made = past.plan(past.specs["first"], state="empty")
    assert made.planned.reappeared == {}
    for _ in range(2):
        assert past.apply(made).code == REFUSED
    assert ONE in site.content()


def test_a_plan_without_the_record_deletes_nothing_that_reappeared(site: Site) -> None:
    past = past_of_two(site)
    removed(past, "first")
    past.someone_stores(ONE)
    made = past.plan(past.specs["first"], state="empty")
    for _ in range(2):
        assert past.apply(made).code == REFUSED
    assert ONE in site.content()


def test_a_plan_from_before_a_restore_deletes_nothing_that_was_restored(site: Site) -> None:
    past = past_of_two(site)
    old = past.plan(past.specs["first"])
    past.restore(removed(past, "first"))
    assert past.apply(old).code == REFUSED
    assert ONE in site.content()


# What is counted


def report_of(site: Site) -> dict[str, object]:
    answer: Answer = site.run("audit", "report", "--format", "json")
    found: dict[str, object] = json.loads(answer.out)
    return found


def test_two_plans_of_the_same_instances_removed_them_once(site: Site) -> None:
    past = past_of(site, spec("q", ONE, TWO))
    plans = [past.plan(past.specs["q"]) for _ in range(2)]
    for plan in plans:
        assert past.apply(plan).code == 0
    assert read_headline(report_of(site)) == (2, 0)
    past.look()


def test_what_someone_else_removed_is_no_removal_of_ours(site: Site) -> None:
    past = past_of(site, spec("q", ONE, TWO))
    made = past.plan(past.specs["q"])
    past.someone_removes(ONE)
    assert past.apply(made).code == 0
    assert read_headline(report_of(site)) == (1, 0)
    past.someone_stores(ONE)
    assert past.plan(past.specs["q"]).planned.reappeared == {}
    past.look()


def test_an_instance_that_was_stored_and_removed_again_is_one_and_reported_as_such(
    site: Site,
) -> None:
    past = past_of(site, spec("q", ONE, code="113039"))
    removed(past, "q")
    past.someone_stores(ONE)
    removed(past, "q")
    assert len(past.model("first").words[ONE]) == 2
    report = report_of(site)
    assert read_headline(report) == (1, 0)
    assert read_removed_again(report) == 1
    past.look()


def test_a_removal_without_a_clear_answer_is_counted_as_one(site: Site) -> None:
    past = past_of(site, spec("q", ONE, TWO))
    made = past.plan(past.specs["q"])
    rule = FaultRule(FaultKind.RESET, "DELETE", f"/{site.uid(ONE)}$", after_effect=True)
    past.apply(made, trouble=Trouble(Faults((rule,))))
    assert read_headline(report_of(site)) == (2, 1)
    (word,) = past.model("first").last_words(ONE)
    assert isinstance(word, Removal)
    assert not word.is_clear
    past.look()
