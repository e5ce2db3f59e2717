"""Tables for papers."""

from __future__ import annotations

from flatenn._arguments import text as checked_text
from flatenn._table import Table

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def _checked_label(label: object) -> str:
    r"""What \label takes as it is; ValueError where a letter would mean something to LaTeX."""
    text = checked_text("label", label)
    special = [letter for letter in text if letter in _ESCAPES and letter != "_"]
    if special or not text:
        what = f"without {special[0]!r}" if special else "of at least one letter"
        raise ValueError(f"label: expected a name {what}, got {text!r}")
    return text


def cells_to_latex(
    cells: Table, caption: str | None, label: str | None, factor: float, digits: int = 2
) -> str:
    """A row a model and kind, a column a level: mean and half of its 95 % interval."""
    caption = None if caption is None else checked_text("caption", caption)
    label = None if label is None else _checked_label(label)
    if not len(cells):
        raise ValueError("latex: there are no rates to tell in a single-fault campaign")
    by_count = cells["rate"][0] is None
    axis = "count" if by_count else "rate"
    levels = sorted(set(cells[axis]))
    entries = {(row["model"], row["kind"], row[axis]): row for row in cells}
    lines = []
    for model, kind in dict.fromkeys((row["model"], row["kind"]) for row in cells):
        fields = [escape(model), escape(kind)]
        for level in levels:
            row = entries.get((model, kind, level))
            if row is None or row["mean"] is None:
                fields.append("")
                continue
            text = f"{factor * row['mean']:.{digits}f}"
            if row["ci_low"] is not None:
                text += rf" \pm {factor * (row['ci_high'] - row['ci_low']) / 2:.{digits}f}"
            fields.append(f"${text}$")
        lines.append(" & ".join(fields) + r" \\")
    head = " & ".join(["model", "fault", *(f"{level:g}" for level in levels)]) + r" \\"
    columns = "ll" + "r" * len(levels)
    body = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *lines,
            r"\bottomrule", r"\end{tabular}"]  # fmt: skip
    if caption is None and label is None:
        return "\n".join(body) + "\n"
    extra = [rf"\caption{{{escape(caption)}}}"] if caption is not None else []
    extra += [rf"\label{{{label}}}"] if label is not None else []
    return "\n".join([r"\begin{table}", r"\centering", *extra, *body, r"\end{table}"]) + "\n"
