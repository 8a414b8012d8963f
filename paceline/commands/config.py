"""``paceline config show``."""

from rich.console import Console
from rich.table import Table

from paceline.options import OutputOptions, SiteOptions


def show(
    *,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Print every setting and where it comes from."""
    loaded = where.load()
    rows = loaded.rows()

    def people(console: Console) -> None:
        table = Table(box=None, pad_edge=False)
        for title in ("setting", "value", "from"):
            table.add_column(title, overflow="fold")
        for key, row in rows.items():
            value = row["value"]
            table.add_row(key, "" if value is None else str(value), row["source"])
        console.print(table)
        if not loaded.file.exists():
            console.print(f"\nNo settings file; it would be {loaded.file}", style="dim")

    how.output.result({"file": str(loaded.file), "settings": rows}, people)
    return 0
