"""A worker that cannot ask the supervisor says so, and tells no part of the truth for the whole."""

from socket import socketpair

import pytest

from engine.ingress.problems import RequestRefused
from engine.workers.channel import Channel
from engine.workers.member import Membership


async def test_without_the_supervisor_questions_about_all_workers_are_refused_for_the_moment() -> None:
    ours, theirs = socketpair()
    member = Membership()
    member.channel = await Channel.over(ours, {})
    theirs.close()
    await member.channel.serve()

    for question in (member.snapshot(), member.shown(), member.reload_and_tell(dry_run=False), member.shadow(reload=False)):
        with pytest.raises(RequestRefused) as refused:
            await question
        assert (refused.value.status, refused.value.code) == (503, "no_answer")
