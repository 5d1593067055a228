"""What every judge gives: rows of one table."""

from dataclasses import asdict, dataclass, field


@dataclass
class Row:
    """One case: what was asked, and what differed from what is right; nothing when all is well."""

    judge: str
    case: str
    transport: str
    differed: list[str]
    # What is worth knowing besides the verdict.
    notes: list[str] = field(default_factory=list)

    @property
    def is_ok(self):
        return not self.differed


def table(rows):
    """The rows as text, the failures with what differed below them."""
    width = max(len(f"{row.judge} {row.case}") for row in rows)
    lines = []
    for row in rows:
        verdict = "ok" if row.is_ok else "DIFFERS"
        lines.append(f"{row.judge + ' ' + row.case:{width}}  {row.transport:4}  {verdict}")
        lines.extend(f"    ({note})" for note in row.notes)
        lines.extend(f"    {difference}" for difference in row.differed)
    return "\n".join(lines)


def as_json(rows):
    """The rows as plain values, for target/judge/dns.json."""
    return [{**asdict(row), "ok": row.is_ok} for row in rows]
