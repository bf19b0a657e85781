"""`rules.shadow` of a real service: another directory's filters on the same events, without any effect."""

import shutil
from pathlib import Path

import httpx

from tests.acceptance.crews import SEVERAL, connections, wait_until
from tests.acceptance.processes import Service
from tests.acceptance.samples import answer, read_lines


def test_a_shadow_says_what_it_would_do_follows_its_directory_and_does_nothing(project: Path) -> None:
    shutil.copytree(project / "rules", project / "candidate")
    rules = project / "candidate" / "rules.yaml"
    rules.write_text(rules.read_text().replace("contains: robot", "contains: person"))
    (project / "config.yaml").write_text("rules: {shadow: candidate, reload: manual}\n")
    with Service(project) as service, httpx.Client(base_url=service.url) as client:
        taken = client.post("/events", json=[answer("a", agent="a person"), answer("b", agent="a robot")]).json()
        shown = client.get("/rules/shadow").json()
        metrics = client.get("/metrics").text
        rules.write_text("version: 1\nfilters: 7\n")
        broken = client.post("/rules/shadow/reload")
        shutil.copy(project / "rules" / "rules.yaml", rules)
        mended = client.post("/rules/shadow/reload").json()
        assert service.terminate() == 0

    assert (taken["accepted"], taken["blocked"]) == (1, 1)
    assert (shown["events"], shown["differing"], shown["differences"]["blocked"]) == (2, 2, 2)
    assert {sample["id"] for sample in shown["samples"]} == {"a", "b"}
    assert 'rulemill_shadow_differences_total{kind="blocked"} 2.0' in metrics
    assert (broken.status_code, broken.json()["code"]) == (422, "rules_refused")
    assert (mended["differing"], mended["rejected"]) == (0, None)
    assert [record["id"] for record in read_lines(project / "out" / "events.enriched.ndjson")] == ["a"]


def test_whichever_worker_is_asked_tells_of_the_shadows_of_all_and_reloads_them(project: Path) -> None:
    shutil.copytree(project / "rules", project / "candidate")
    rules = project / "candidate" / "rules.yaml"
    rules.write_text(rules.read_text().replace("contains: robot", "contains: person"))
    (project / "config.yaml").write_text("rules: {shadow: candidate, reload: manual}\n")
    with Service(project, **SEVERAL) as service, connections(service, 2) as (one, other):
        for client, name in ((one, "a"), (other, "b"), (other, "c")):
            client.post("/events", json=answer(name, agent="a person"))
        shown = [client.get("/rules/shadow").json() for client in (one, other)]
        rules.write_text(rules.read_text().replace("contains: person", "contains: people"))
        reloaded = one.post("/rules/shadow/reload").json()
        rules.write_text("version: 1\nfilters: 7\n")
        service.hang_up()
        wait_until(lambda: other.get("/rules/shadow").json()["rejected"] is not None, "the rules to be refused")
        broken = other.post("/rules/shadow/reload")
        assert service.terminate() == 0

    assert shown[0] == shown[1]
    assert (shown[0]["events"], shown[0]["differing"], shown[0]["differences"]["blocked"]) == (3, 3, 3)
    assert {sample["id"] for sample in shown[0]["samples"]} == {"a", "b", "c"}
    assert shown[0]["workers"] == {"1": shown[0]["ruleset"], "2": shown[0]["ruleset"]}
    assert reloaded["events"] == 0
    assert reloaded["workers"] == {"1": reloaded["ruleset"], "2": reloaded["ruleset"]}
    assert reloaded["ruleset"] != shown[0]["ruleset"]
    assert broken.status_code == 422
