"""What every process of a run imports, and so waits for: a step's process does little else."""

import subprocess
import sys

_SELDOM_NEEDED = ("alembic", "openpyxl", "python_calamine")


def test_a_process_that_loads_syncs_imports_nothing_that_few_of_them_need() -> None:
    code = (
        "import sys, dialnexa_pipeline.components; "
        f"print([name for name in {_SELDOM_NEEDED!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
