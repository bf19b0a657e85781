"""Settings: defaults, the file, the environment, and every fault at once."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from engine.errors import SettingsInvalid
from engine.rules.diagnostics import CODES, Finding
from engine.settings import HttpSettings, Settings, load_settings, read_settings
from engine.settings_reading import SettingsFaulty, settings_of

WHAT_IS_EXPECTED = "tokens of 16 to 512 letters, digits and `-._~+/`, such as `openssl rand -hex 32` makes"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text)
    return path


def faults_of(path: Path | None, environ: dict[str, str] | None = None) -> list[str]:
    """Each fault on a line: its place, what is wrong, and what to do."""
    with pytest.raises(SettingsFaulty) as caught:
        load_settings(path, environ or {})
    return [_line(finding) for finding in caught.value.findings]


def _line(finding: Finding) -> str:
    span = finding.span
    place = f"{span.file}:{span.line}:{span.col}" if span.line else span.file
    return f"{place}: {finding.message}" + (f"; {finding.help}" if finding.help else "")


def test_without_file_and_environment_the_defaults_hold() -> None:
    settings = load_settings(None, {"PATH": "/bin"})
    assert settings == Settings()
    assert (settings.http.host, settings.http.port, settings.store, settings.egress) == ("127.0.0.1", 8080, "sqlite", "file")
    assert (settings.processor.buffer_size, settings.processor.max_batch) == (10_000, 1_000)


def test_the_shipped_file_says_what_the_defaults_are(checkout: Path) -> None:
    assert load_settings(checkout / "config.yaml", {}) == Settings()


def test_the_default_file_is_read_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("topic: mine\n")
    assert load_settings(None, {}).topic == "mine"


@pytest.mark.parametrize("text", ["", "# nothing\n", "http:\nsqlite: ~\n", "---\n"])
def test_an_empty_file_and_empty_sections_are_the_defaults(tmp_path: Path, text: str) -> None:
    assert load_settings(write(tmp_path, text), {}) == Settings()


EVERY_SETTING = """
http:
  {host: "::1", port: 0, max_body: 2MiB, max_bodies: 3MiB, max_events: 5, max_event: 4096, max_head: 1KiB, max_connections: 9,
   read_timeout: 5s, keep_alive: 0s, ingest_tokens: [one-token-00000001, "two-token-00000002="],
   ingest_tokens_file: a/file, admin_tokens: 'three-token-000003, four-token-0000004', allow_unauthenticated: true}
processor:
  {enabled: no, workers: 2, buffer_size: 3, buffer_memory: 1MiB, max_batch: 4, max_held: 5, max_deferred: 6, max_copies: 7,
   recent_keys: 0, tracked_keys: 8, remembered_texts: 9, lease: 9s, shutdown_timeout: 1m}
rules: {path: /etc/rules, reload: manual, poll: 500ms, watch: no, last_good: kept.json, shadow: tried}
store: memory
sqlite: {path: a b.db, synchronous: full}
memory: {max_claims: 5000}
egress: file
file: {path: records, fsync: "true"}
topic: a.b-c_d
ack: received
dead_letters: {path: dead.ndjson}
"""


def test_every_setting_of_http_can_be_written(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, EVERY_SETTING), {})
    assert settings.http == HttpSettings(
        host="::1",
        port=0,
        max_body_bytes=2 << 20,
        max_bodies_bytes=3 << 20,
        max_events=5,
        max_event_bytes=4096,
        max_head_bytes=1024,
        max_connections=9,
        read_timeout_ms=5_000,
        keep_alive_ms=0,
        ingest_tokens=(SecretStr("one-token-00000001"), SecretStr("two-token-00000002=")),
        ingest_tokens_file=Path("a/file"),
        admin_tokens=(SecretStr("three-token-000003"), SecretStr("four-token-0000004")),
        allow_unauthenticated=True,
    )


def test_every_other_setting_can_be_written(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, EVERY_SETTING), {})
    assert settings.processor.model_dump() == {
        "enabled": False,
        "workers": 2,
        "buffer_size": 3,
        "buffer_bytes": 1 << 20,
        "max_batch": 4,
        "max_held": 5,
        "max_deferred": 6,
        "max_copies": 7,
        "recent_keys": 0,
        "tracked_keys": 8,
        "remembered_texts": 9,
        "lease_ms": 9_000,
        "shutdown_timeout_ms": 60_000,
    }
    assert (settings.rules.path, settings.store, settings.memory.max_claims) == (Path("/etc/rules"), "memory", 5_000)
    assert (settings.sqlite.path, settings.sqlite.synchronous) == (Path("a b.db"), "full")
    assert (settings.file.path, settings.file.fsync, settings.topic) == (Path("records"), True, "a.b-c_d")
    assert (settings.ack, settings.dead_letters.path) == ("received", Path("dead.ndjson"))
    assert settings.rules.model_dump(exclude={"path"}) == {
        "reload": "manual",
        "poll_ms": 500,
        "watch": False,
        "last_good": Path("kept.json"),
        "shadow": Path("tried"),
    }


def test_the_environment_comes_before_the_file_and_each_value_knows_its_origin(tmp_path: Path) -> None:
    path = write(tmp_path, "processor:\n  workers: 2\n  buffer_size: 7\n")
    environ = {"EVENT_PROCESSOR_ENABLED": "false", "EVENT_PROCESSOR_WORKERS": "4", "EVENT_PROCESSOR_BUFFER_SIZE": ""}
    settings, origins = read_settings(path, environ)
    assert (settings.processor.enabled, settings.processor.workers, settings.processor.buffer_size) == (False, 4, 7)
    assert origins == {
        "processor.enabled": "EVENT_PROCESSOR_ENABLED",
        "processor.workers": "EVENT_PROCESSOR_WORKERS",
        "processor.buffer_size": f"{path}:3:16",
    }


def test_all_faults_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    text = """\
http:
  host: not a host
  prt: 1
  port: 99999
  max_body: 8mb
  port: 1
procesor: 3
processor:
  workers: [1]
  enabled: maybe
  shutdown_timeout:
rules: x
store: oracle
topic: ../x
"""
    path = write(tmp_path, text)
    faults = faults_of(path, {"EVENT_PROCESSOR_BUFFER_SIZE": "0", "EVENT_PROCESSOR_WORKRS": "2"})
    assert sorted(faults) == sorted(
        [
            f"{path}:2:9: `http.host` is `not a host`; expected the address to listen on, such as `127.0.0.1`, `::` or `localhost`",
            f"{path}:3:3: `http.prt` is no setting; did you mean `port`?",
            f"{path}:4:9: `http.port` is `99999`; expected a whole number from 0 to 65535",
            f"{path}:5:13: `http.max_body` is `8mb`; expected a size from 1KiB to 1GiB",
            f"{path}:6:3: the key `port` is written twice; keep one, or give the other a name of its own",
            f"{path}:7:1: `procesor` is no setting; did you mean `processor`?",
            f"{path}:9:12: `processor.workers` is not a single value; write one value after the `:`",
            f"{path}:10:12: `processor.enabled` is `maybe`; expected `true` or `false`",
            f"{path}:11:20: `processor.shutdown_timeout` is empty; write a value, or remove the line for the default",
            f"{path}:12:8: `rules` is not a section; write its keys below it",
            f"{path}:13:8: `store` is `oracle`; expected `sqlite`, `memory` or `redis`",
            f"{path}:14:8: `topic` is `../x`; expected 1 to 249 letters, digits, `.`, `_` and `-`, not beginning with `.`",
            "EVENT_PROCESSOR_BUFFER_SIZE: `processor.buffer_size` is `0`; expected a whole number from 1 to 1000000",
            "EVENT_PROCESSOR_WORKRS: `EVENT_PROCESSOR_WORKRS` is no setting; did you mean `EVENT_PROCESSOR_WORKERS`?",
        ]
    )


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: [", "E102", "2:1"),
        ("http:\n  port: 80\n host: 1", "E102", "3:2"),
        ("a: *x", "E104", "1:4"),
        ("topic: a\n---\ntopic: b", "E107", "2:1"),
        ("topic: \x07", "E101", "1:8"),
        ("- 1", "C002", "1:1"),
        ("5", "C002", "1:1"),
        ("? [a]\n: 1", "E108", "1:3"),
        ("http: {<<: {port: 1}}", "E106", "1:8"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, text: str, code: str, place: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsFaulty) as caught:
        load_settings(path, {})
    (finding,) = caught.value.findings
    assert (finding.code, f"{finding.span.line}:{finding.span.col}") == (code, place)


def test_a_file_that_is_not_there_or_not_text_says_so(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(SettingsInvalid) as caught:
            load_settings(path, {})
        assert str(caught.value) == f"{path}: cannot be read: {reason}; name a file that exists"
    (tmp_path / "latin.yaml").write_bytes("topic: é".encode("latin-1"))
    assert faults_of(tmp_path / "latin.yaml") == [f"{tmp_path}/latin.yaml:1:8: byte 0xe9 is not UTF-8; save the file as UTF-8"]


def test_the_report_shows_the_line_and_names_the_variable(tmp_path: Path) -> None:
    path = write(tmp_path, "http:\n  prt: 1\n")
    with pytest.raises(SettingsFaulty) as caught:
        load_settings(path, {"HTTP_PORT": "eighty"})

    assert (
        str(caught.value)
        == f"""\
the settings cannot be used
error[C001]: `http.prt` is no setting
 --> {path}:2:3
  |
2 |   prt: *
  |   ^^^
  = help: did you mean `port`?

error[C003]: `http.port` is `eighty`; expected a whole number from 0 to 65535
 --> HTTP_PORT

2 errors in 1 file"""
    )


def test_every_code_of_settings_is_told_of_something(tmp_path: Path) -> None:
    path = write(tmp_path, "x: 1\nrules: 3\ntopic: ../x\nstore:\n")
    with pytest.raises(SettingsFaulty) as caught:
        load_settings(path, {"EVENT_PROCESSOR_X": "1"})

    with pytest.raises(SettingsFaulty) as of_others:
        load_settings(None, {"STATE_STORE": "redis", "REDIS_HOST": "there"})

    found = [*caught.value.findings, *of_others.value.findings]
    assert {finding.code for finding in found} == {code for code in CODES if code.startswith("C")}


def test_variables_of_others_do_no_harm() -> None:
    environ = {
        "REDIS_ADDRESS": "localhost:6379",
        "REDIS_PASSWORD": "",
        "REDIS_POOL_SIZE": "10",
        "REDIS_ENRICHMENT_DB": "1",
        "REDIS_AGGREGATION_DB": "2",
        "REDIS_DEDUPLICATION_DB": "3",
        "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
        "HTTP_PROXY": "http://proxy",
    }
    assert load_settings(None, environ) == Settings()


@pytest.mark.parametrize(
    ("text", "duration_ms"), [("0s", 0), ("1ms", 1), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)]
)
def test_durations_have_units(text: str, duration_ms: int) -> None:
    assert load_settings(None, {"EVENT_PROCESSOR_SHUTDOWN_TIMEOUT": text}).processor.shutdown_timeout_ms == duration_ms


@pytest.mark.parametrize("text", ["30", "-1s", "1.5s", "2h", "s", "1 s", "1w"])
def test_what_is_no_duration_in_range_is_refused(text: str) -> None:
    (fault,) = faults_of(None, {"EVENT_PROCESSOR_SHUTDOWN_TIMEOUT": text})
    assert fault.endswith(f"is `{text}`; expected a duration from 0s to 1h")


@pytest.mark.parametrize(
    ("text", "size_bytes"), [("1024", 1024), ("4096B", 4096), ("512KiB", 512 << 10), ("8 MiB", 8 << 20), ("1GiB", 1 << 30)]
)
def test_sizes_have_binary_units(text: str, size_bytes: int) -> None:
    assert load_settings(None, {"HTTP_MAX_BODY": text}).http.max_body_bytes == size_bytes


@pytest.mark.parametrize("text", ["1023", "2GiB", "8MB", "1.5MiB", "-1", "1e6", "١٠٢٤٠"])
def test_what_is_no_size_in_range_is_refused(text: str) -> None:
    (fault,) = faults_of(None, {"HTTP_MAX_BODY": text})
    assert "expected a size from 1KiB to 1GiB" in fault


@pytest.mark.parametrize("text", ["1_000", "0x10", "1e3", "8080.0", "true", "-1", "٣"])
def test_a_whole_number_is_written_in_digits(text: str) -> None:
    assert "expected a whole number from 0 to 65535" in faults_of(None, {"HTTP_PORT": text})[0]


def test_a_long_value_is_shortened_in_its_fault() -> None:
    (fault,) = faults_of(None, {"EVENT_TOPIC": "x\t" * 5_000})
    assert len(fault) < 250
    assert fault.isprintable()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().topic = "other"


@pytest.mark.parametrize(
    "text", ["short", "has blanks inside it", "one-token-00000001,short", "[one-token-00000001, [x]]", "[]", "{}"]
)
def test_tokens_that_cannot_be_used_are_a_fault_that_does_not_show_them(tmp_path: Path, text: str) -> None:
    (fault,) = faults_of(
        write(tmp_path, f"http: {{admin_tokens: {text!r}}}" if text[0] not in "[{" else f"http: {{admin_tokens: {text}}}")
    )
    assert "`http.admin_tokens`" in fault
    assert not any(word in fault for word in ("short", "blanks", "one-token"))
    assert fault.endswith((WHAT_IS_EXPECTED, "is not a single value; write one value after the `:`"))


def test_tokens_from_the_environment_stand_between_commas_and_are_not_shown_by_the_settings() -> None:
    settings = load_settings(None, {"HTTP_INGEST_TOKENS": "one-token-00000001, two-token-00000002"})
    assert [token.get_secret_value() for token in settings.http.ingest_tokens] == ["one-token-00000001", "two-token-00000002"]
    assert "one-token" not in repr(settings)
    assert "one-token" not in settings.model_dump_json()


def test_the_settings_know_which_of_them_are_secret() -> None:
    assert {setting.name for setting in settings_of(Settings) if setting.secret} == {
        "http.ingest_tokens",
        "http.admin_tokens",
        "kafka.sasl_password",
        "kafka.ssl_key_password",
        "kafka.options",
        "redis.password",
    }


@pytest.mark.parametrize("host", ["1.2.3", "1.2.3.4.5", "a b", "-a", "a..b", "http://a", "a" * 254])
def test_an_address_that_is_none_is_a_fault(host: str) -> None:
    (fault,) = faults_of(None, {"HTTP_HOST": host})
    assert fault.startswith("HTTP_HOST: `http.host` is")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "localhost", "engine-1.example.org"])  # noqa: S104 - read, not bound
def test_an_address_is_one_of_a_machine_or_its_name(host: str) -> None:
    assert load_settings(None, {"HTTP_HOST": host}).http.host == host


def test_addresses_of_redis_are_read_with_their_ports_and_several_in_either_form(tmp_path: Path) -> None:
    in_file = load_settings(write(tmp_path, 'redis:\n  address: ["[::1]:7000", "localhost"]\n'), {}).redis.address
    in_environment = load_settings(None, {"REDIS_ADDRESS": "[::1]:7000, localhost"}).redis.address

    assert [(address.host, address.port) for address in in_file] == [("::1", 7000), ("localhost", 6379)]
    assert in_environment == in_file


def test_the_password_of_redis_is_never_shown() -> None:
    settings = load_settings(None, {"REDIS_PASSWORD": "hunter2-hunter2"})

    assert "hunter2" not in repr(settings)
    assert settings.redis.password == SecretStr("hunter2-hunter2")


@pytest.mark.parametrize("address", ["a b", "localhost:0", "localhost:65536", "::1", "a,,b"])
def test_what_is_no_address_of_redis_is_a_fault(address: str) -> None:
    assert faults_of(None, {"REDIS_ADDRESS": address}) == [
        f"REDIS_ADDRESS: `redis.address` is `{address}`; expected `host:port`, such as `localhost:6379`; with `cluster: true` several"
    ]


def test_a_url_is_told_what_its_parts_are_called_here_and_its_password_is_not_shown(tmp_path: Path) -> None:
    url = "rediss://me:hunter2-hunter2@localhost:6379/0"

    (from_environment,) = faults_of(None, {"REDIS_ADDRESS": url})
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(write(tmp_path, f"redis:\n  address: {url}\n"), {})

    for said in (from_environment, str(refused.value)):
        assert "no URL: `redis.password`, `redis.tls` and the databases are settings of their own" in said
        assert "hunter2" not in said


@pytest.mark.parametrize("name", ["lz4", "LZ4"])
def test_a_compression_may_be_written_in_capitals(name: str) -> None:
    assert load_settings(None, {"KAFKA_COMPRESSION": name}).kafka.compression == "lz4"


def test_a_prefix_that_would_change_where_a_cluster_keeps_keys_is_a_fault() -> None:
    assert faults_of(None, {"REDIS_PREFIX": "{a}"}) == [
        "REDIS_PREFIX: `redis.prefix` is `{a}`; expected 1 to 64 letters, digits and `._:/-`, not ending with `:`"
    ]
