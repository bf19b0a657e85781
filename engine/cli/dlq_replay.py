"""The sending half of `rulemill dlq replay`.

In: the letters that were chosen. Out: requests to a service, and how the letters ended, printed. Rule of the file: `dlq` imports it when it
replays, so that no other command pays for a client of HTTP.
"""

import aiohttp

from engine.clock import SystemClock
from engine.egress.letter_choice import LetterChoice
from engine.egress.letter_tables import printable
from engine.egress.replay import Notes, Replay
from engine.event import REJECTED, RETRY


async def send(chosen: LetterChoice, notes: Notes, url: str, token: str | None) -> int:
    """Replay; 1 where a letter was rejected again or is still to be sent. Raises ReplayStopped, OSError where a note cannot be kept."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        replay = Replay(session, url, notes, SystemClock())
        try:
            await replay.run(chosen)
        finally:
            for status, number in sorted(replay.counts.items()):
                print(f"{status}: {number}")
            for code, number in replay.rejections.most_common():
                print(f"  rejected as {printable(code) or 'unknown'}: {number}")
            print(f"{replay.counts.total()} letters have an answer of {url}")
    return 1 if replay.counts[REJECTED] or replay.counts[RETRY] else 0
