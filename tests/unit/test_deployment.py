"""The files that a deployment is made of: of the form that their readers ask for, and speaking of what is there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.ingress.access import access_policy
from engine.operations.metric_catalogue import metrics
from engine.settings import read_settings
from engine.settings_list import MEANINGS
from tests.alerts import OF_PROMETHEUS, alerts, selected
from tests.containerfile import copied, environment, stages

GIVEN = "0123456789abcdef"


@pytest.fixture
def compose(checkout: Path) -> dict[str, Any]:
    shown: dict[str, Any] = yaml.safe_load((checkout / "compose.yaml").read_text("utf-8"))
    return shown


def interpolated(value: object) -> str:
    """As compose fills a value in: a default where there is one, else what was exported."""
    with_defaults = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value))
    return re.sub(r"\$\{\w+:\?.*?\}", GIVEN, with_defaults)


def test_the_compose_file_is_of_the_form_that_is_asked_for(checkout: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(checkout / "compose.yaml"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_variable_of_the_engine_is_a_setting_and_is_taken(checkout: Path, compose: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    image = environment(stages(checkout)[-1])
    known = set(re.findall(r"`([A-Z][A-Z_]+)`", (checkout / "docs" / "settings.md").read_text("utf-8")))
    given = {name: interpolated(value) for name, value in compose["services"]["engine"]["environment"].items()}
    of_image = {name: value for name, value in image.items() if name in known}

    settings, places = read_settings(tmp_path / "config.yaml", {**of_image, **given})

    assert set(image) - known == {"PATH", "PYTHONUNBUFFERED"}
    assert set(places.values()) == {*of_image, *given}
    access_policy(settings.http)  # would raise: it listens beyond its container, and needs tokens of both kinds
    assert (settings.http.port, settings.store, settings.egress) == (8080, "redis", "kafka")


def test_no_secret_stands_in_the_compose_file_and_none_is_left_out(compose: dict[str, Any]) -> None:
    variables = {
        name: str(value) for service in compose["services"].values() for name, value in service.get("environment", {}).items()
    }
    secret = {name: value for name, value in variables.items() if re.search("TOKENS|PASSWORD|AUTH$", name)}

    assert set(secret) == {"HTTP_INGEST_TOKENS", "HTTP_ADMIN_TOKENS", "REDIS_PASSWORD", "REDISCLI_AUTH"}
    assert [value for value in secret.values() if not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)] == []
    assert [secret for secret in compose["secrets"].values() if set(secret) != {"environment"}] == []


def test_images_have_short_names_and_a_version(checkout: Path, compose: dict[str, Any]) -> None:
    images = [service["image"] for service in compose["services"].values() if "build" not in service]
    arguments = re.findall(r"^ARG PYTHON=(\S+)", (checkout / "Containerfile").read_text("utf-8"), re.MULTILINE)
    images += [f"python:{version}" for version in arguments]

    assert len(images) == 4
    assert [image for image in images if not re.fullmatch(r"([a-z]+/)?[a-z]+:v?\d+\.\d+\.\d+[a-z-]*", image)] == []


def test_what_is_published_is_for_this_machine_and_what_is_mounted_is_there_and_read_only(
    checkout: Path, compose: dict[str, Any]
) -> None:
    services = compose["services"].values()
    ports = [port for service in services for port in service.get("ports", [])]
    mounts = [mount.split(":") for service in services for mount in service.get("volumes", [])]
    bound = [mount for mount in mounts if mount[0].startswith("./")]

    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert {"/etc/rulemill/rules", "/etc/rulemill/schemas"} < {mount[1] for mount in bound}
    assert [mount for mount in bound if mount[2:] != ["ro"] or not (checkout / mount[0]).exists()] == []
    assert {mount[0] for mount in mounts if mount not in bound} == set(compose["volumes"])


def test_every_service_has_a_health_check_and_ends_in_its_own_time(compose: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    engine = compose["services"]["engine"]
    variable = "EVENT_PROCESSOR_SHUTDOWN_TIMEOUT"
    settings, _ = read_settings(tmp_path / "config.yaml", {variable: engine["environment"][variable]})

    assert [name for name, service in compose["services"].items() if "healthcheck" not in service] == []
    assert "/readyz" in engine["healthcheck"]["test"][-1]
    assert int(engine["stop_grace_period"].rstrip("s")) * 1000 >= 2 * settings.processor.shutdown_timeout_ms + 10_000
    assert (engine["read_only"], engine["cap_drop"], engine["init"]) == (True, ["ALL"], True)


def test_the_image_runs_the_service_as_a_user_of_its_own_and_signals_reach_it(checkout: Path) -> None:
    image = {one.word: one for one in stages(checkout)[-1]}

    assert image["CMD"].listed == ["rulemill", "serve"]
    assert "ENTRYPOINT" not in image
    assert int(image["USER"].rest) > 0


def test_the_image_is_made_of_what_is_there_and_of_what_is_locked(checkout: Path) -> None:
    build, image = stages(checkout)
    sent = {line[1:] for line in (checkout / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    taken = [*copied(build), *copied(image)]
    installs = [command for one in build if one.word == "RUN" for command in one.rest.split("&&") if " install " in command]

    assert [path for path in taken if not (checkout / path).exists() or Path(path).parts[0] not in sent] == []
    assert [command for command in installs if "--require-hashes" not in command and "--no-index --no-deps" not in command] == []


def test_prometheus_asks_the_engine_and_reads_the_alerts(checkout: Path, compose: dict[str, Any]) -> None:
    asked = yaml.safe_load((checkout / "deploy" / "prometheus.yml").read_text("utf-8"))
    (job,) = asked["scrape_configs"]
    ((target,),) = [static["targets"] for static in job["static_configs"]]
    secret = Path(job["authorization"]["credentials_file"]).name

    assert target.split(":")[0] in compose["services"]
    assert compose["secrets"][secret] == {"environment": "HTTP_ADMIN_TOKENS"}
    assert secret in compose["services"]["prometheus"]["secrets"]
    assert [name for name in asked["rule_files"] if not (checkout / "deploy" / name).exists()] == []


def test_every_alert_is_an_expression_over_metrics_that_are_there_and_says_what_to_do(checkout: Path) -> None:
    labels = {f"{one.name}{suffix}": {*one.labels, "job"} for one in metrics() for suffix in ("", "_bucket")}
    names = [alert["alert"] for alert in alerts(checkout)]

    assert len(set(names)) == len(names) > 20
    for alert in alerts(checkout):
        series = [(name, asked) for name, asked in selected(alert["expr"]) if name not in OF_PROMETHEUS]
        assert [(name, asked) for name, asked in series if name not in labels or not asked <= labels[name]] == [], alert["alert"]
        shown = set(re.findall(r"\$labels\.(\w+)", " ".join(alert["annotations"].values())))
        assert shown <= {"job", "instance"}.union(*(labels[name] for name, _ in series)), alert["alert"]
        assert set(alert["annotations"]) == {"summary", "description", "action"}, alert["alert"]
        assert alert["labels"]["severity"] in {"page", "ticket"}


def test_the_unit_of_systemd_sets_what_is_known_and_leaves_time_to_end(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    lines = [line.partition("=") for line in (checkout / "deploy" / "rulemill.service").read_text("utf-8").splitlines()]
    unit = {name: [value for other, _, value in lines if other == name] for name, between, _ in lines if between}
    given = dict(pair.split("=", 1) for value in unit["Environment"] for pair in value.split())
    loaded = {value.split(":")[0] for value in unit["LoadCredential"]}

    settings, places = read_settings(tmp_path / "config.yaml", given)

    assert set(places.values()) == set(given)
    assert {path.removeprefix("%d/") for path in given.values() if path.startswith("%d/")} == loaded
    assert int(unit["TimeoutStopSec"][0]) * 1000 >= 2 * settings.processor.shutdown_timeout_ms + 10_000
    assert unit["KillMode"] == ["mixed"]  # workers end when their supervisor tells them to, in its order


def test_metrics_of_common_names_are_asked_of_this_job_alone(checkout: Path) -> None:
    common = [
        (alert["alert"], name)
        for alert in alerts(checkout)
        for name, asked in selected(alert["expr"])
        if not name.startswith("rulemill_") and "job" not in asked
    ]

    assert common == []


def test_the_page_speaks_of_settings_alerts_and_metrics_that_are_there(checkout: Path) -> None:
    page = (checkout / "docs" / "deployment.md").read_text("utf-8")
    sections = "|".join({name.split(".")[0] for name in MEANINGS if "." in name})
    settings = set(re.findall(rf"`((?:{sections})\.[a-z_]+)(?:`|: )", page))
    named = set(re.findall(r"`(Rulemill\w+)`", page)) | set(re.findall(r"`(rulemill_\w+)`", page))

    assert len(settings) > 20
    assert settings - set(MEANINGS) == set()
    assert named - {alert["alert"] for alert in alerts(checkout)} - {metric.name for metric in metrics()} == set()
