"""How many requests a planned batch and everything cut out of it may cost."""

from collections import Counter
from collections.abc import Iterable

from dialnexa_pipeline.ledger import Batch


class PostBudget:
    """Counts requests by root: the planned batch that a refusal cut others out of.

    Repetitions after 429 do not count, as nothing is learnt from them.

    Args:
        batches: all of the plan; what earlier runs spent on them counts too.
        max_posts: requests for a root and its descendants together.
    """

    def __init__(self, batches: Iterable[Batch], max_posts: int) -> None:
        self._max_posts = max_posts
        self._parents: dict[str, str] = {}
        self._spent: Counter[str] = Counter()
        known = list(batches)
        for batch in known:
            self.adopt(batch)
        for batch in known:
            self._spent[self.root_of(batch)] += batch.attempts

    def adopt(self, batch: Batch) -> None:
        """Let a new batch share its parent's budget."""
        if batch.parent_batch_id is not None:
            self._parents[batch.batch_id] = batch.parent_batch_id

    def root_of(self, batch: Batch) -> str:
        root = batch.batch_id
        while root in self._parents:
            root = self._parents[root]
        return root

    def spend(self, batch: Batch) -> None:
        self._spent[self.root_of(batch)] += 1

    def is_spent(self, batch: Batch) -> bool:
        return self._spent[self.root_of(batch)] >= self._max_posts
