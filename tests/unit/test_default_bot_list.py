"""The default list of user agents: it finds programs by how they name themselves, and never a person."""

from collections.abc import Callable
from pathlib import Path

import crawleruseragents
import pytest
import re2
import yaml

IsBot = Callable[[str], bool]

WORST_SHARE = 0.95
MOST_PATTERNS = 50


@pytest.fixture(scope="module")
def patterns(checkout: Path) -> list[str]:
    """The list as it stands in the default rules."""
    document = yaml.safe_load((checkout / "rules/conditions.yaml").read_text("utf-8"))
    listed: list[str] = document["lists"]["bot_user_agents"]
    return listed


@pytest.fixture(scope="module")
def is_bot(patterns: list[str]) -> IsBot:
    """Whether any pattern is found in a user agent, as `matches_any` with `ignore_case` has it."""
    options = re2.Options()
    options.case_sensitive = False
    compiled = [re2.compile(pattern, options) for pattern in patterns]
    return lambda user_agent: any(pattern.search(user_agent) for pattern in compiled)


def test_known_crawlers_are_found(is_bot: IsBot) -> None:
    """At least 95 % of the user agents that a public collection of crawlers has seen."""
    seen = [agent for crawler in crawleruseragents.CRAWLER_USER_AGENTS_DATA for agent in crawler.get("instances", ())]
    missed = [agent for agent in seen if not is_bot(agent)]

    assert len(seen) > 1_000
    assert len(missed) <= (1 - WORST_SHARE) * len(seen), "\n".join(missed)


def test_nobody_is_taken_for_a_program(is_bot: IsBot, checkout: Path) -> None:
    """Browsers, webviews, televisions, consoles and own apps all pass, phones named `CUBOT` among them."""
    lines = (checkout / "tests/data/browsers.txt").read_text("utf-8").splitlines()
    people = [line for line in lines if line and not line.startswith("#")]

    assert len(people) >= 150
    assert [agent for agent in people if is_bot(agent)] == []


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "SomeCrawler/1.4 (+https://crawler.example/info)",
        "Baiduspider+(+http://www.baidu.com/search/spider.htm)",
        "python-requests/2.31.0",
        "Python-Requests/2.28.1",
        "curl/8.4.0",
        "edu-SPIDER/0.9 (research)",
        "lms-healthbot/1.0",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
        "Scrapy/2.11.0 (+https://scrapy.org)",
        "Go-http-client/2.0",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    ],
)
def test_everyday_programs_are_found(is_bot: IsBot, user_agent: str) -> None:
    """Whatever the collection of crawlers says, these must be caught."""
    assert is_bot(user_agent)


def test_the_list_stays_readable(patterns: list[str]) -> None:
    """Tens of patterns, each there once: a person can read why an event was blocked."""
    assert len(patterns) <= MOST_PATTERNS
    assert len(set(patterns)) == len(patterns)
