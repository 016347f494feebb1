"""What only nginx is like, run."""

from __future__ import annotations

from tests.interop.hop import Installed, Stacks, proves
from tests.interop.test_proxies import together


@proves("h2c_upstream", proxies=("nginx",))
def test_one_request_at_a_time_on_a_connection(on: Installed, stacks: Stacks) -> None:
    """What the table says `never` of: twenty at once are on as many connections."""
    answers = together(stacks.get(on), 20)
    assert len({tuple(answer.json()["client"]) for answer in answers}) > 4
