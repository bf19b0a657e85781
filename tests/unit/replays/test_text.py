"""What is told of events cannot steer who reads it."""

from engine.replays.report import Report
from engine.replays.text import human, markdown
from tests.unit.replays.project import Project, answer

HOSTILE = "\x1b[2J```\n| <img src=x> `"


async def test_no_text_of_an_event_reaches_a_terminal_as_control_or_leaves_its_fence_or_its_cell(project: Project) -> None:
    project.change("allow: {mark: quick}", "transform: {remove: [extra]}")
    event = answer(1, id=HOSTILE, user=HOSTILE, extra={HOSTILE: HOSTILE})
    project.everywhere("{sum: points}", "{last: agent}")
    report = Report(await project.run([event, answer(2, id="b", agent=HOSTILE, user=HOSTILE)]), "new", "old")

    for text in (human(report), markdown(report)):
        assert "\x1b" not in text
        assert all(line.isprintable() for line in text.split("\n"))
    lines = markdown(report).split("\n")
    assert sum(line.startswith("```") for line in lines) % 2 == 0
    assert sum("```" in line for line in lines) == sum(line.startswith("```") for line in lines)


async def test_what_is_left_out_is_counted_and_said_how_to_see(project: Project) -> None:
    project.change("allow: {mark: quick}", "block: {reason: quick}")
    project.change("contains: robot", "contains: nobody")
    events = [answer(1), answer(2), answer(3, agent="a robot", took_ms=5_000)]
    report = Report(await project.run(events), "new", "old", most_groups=1)

    told = "… smaller groups left out: 1, events in them: 1; `--groups 2` shows all"
    assert told in human(report)
    assert told in markdown(report)
