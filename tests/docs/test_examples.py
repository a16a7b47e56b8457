"""The examples of the documentation: what they import is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = [
    pytest.param(example, id=f"{page.relative_to(DOCS)}:{number}")
    for page in sorted(DOCS.rglob("*.md"))
    for number, example in enumerate(
        re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_an_example_imports_is_there(example):
    imports = [line for line in ast.parse(example).body if isinstance(line, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), "example", "exec"), {})
