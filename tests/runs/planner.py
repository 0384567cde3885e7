"""What Snakemake would run, for many plans of one workspace."""

from heads import Heads
from workspace import Workspace


class Planner:
    """Finds what Snakemake would run in a workspace, with heads of its own."""

    def __init__(self, space: Workspace) -> None:
        self.space = space
        self.heads = Heads(space.root)

    def output(self, *arguments: str) -> str:
        return self.heads.output(*self.space.words(*arguments))

    def rules(self, *arguments: str) -> set[str]:
        """The names of the rules that would run."""
        text = self.output(*arguments, "--dry-run")
        if "Nothing to be done" in text:
            return set()
        rows = [line.split() for line in text.split("Job stats:")[-1].splitlines()]
        return {row[0] for row in rows if len(row) == 2 and row[1].isdigit()} - {"total", "all"}

    def end(self) -> None:
        self.heads.end()
