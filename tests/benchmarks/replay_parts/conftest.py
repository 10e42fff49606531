import pytest

from benchmarks.replay_parts.table import read_table
from tests.benchmarks.replay_parts.tables import write_formula_table


@pytest.fixture(scope="session")
def table_file(tmp_path_factory):
    return write_formula_table(tmp_path_factory.mktemp("table") / "table.json.gz")


@pytest.fixture(scope="session")
def table(table_file):
    return read_table(table_file)
