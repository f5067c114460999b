"""The committed seeds are what the generator writes, and as messy as a CRM."""

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds"
FILES = ("crm_contacts.csv", "crm_products.csv", "crm_opt_ins.csv")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("crm_seeds", SEEDS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def contacts() -> list[dict[str, str]]:
    with (SEEDS / "crm_contacts.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_generator_writes_the_committed_seeds_byte_for_byte(
    generator: ModuleType, tmp_path: Path
) -> None:
    generator.main(tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (SEEDS / name).read_bytes(), name


def test_there_are_enough_contacts_and_each_has_a_key_of_its_own(
    contacts: list[dict[str, str]],
) -> None:
    keys = [contact["contact_id"] for contact in contacts]
    assert len(keys) >= 3_200
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("mark", ["\n", ",", '"', "🙂", "शर्मा"])
def test_names_hold_what_breaks_careless_csv(contacts: list[dict[str, str]], mark: str) -> None:
    assert any(mark in contact["full_name"] for contact in contacts)


@pytest.mark.parametrize("damage", [".0", "E+0", "ext", "FLOWERS", "'", " / "])
def test_numbers_hold_spreadsheet_and_typing_damage(
    contacts: list[dict[str, str]], damage: str
) -> None:
    assert any(damage in contact["mobile"] for contact in contacts)


def test_some_numbers_are_blank_and_every_country_is_present(
    contacts: list[dict[str, str]],
) -> None:
    assert any(not contact["mobile"].strip() for contact in contacts)
    assert {"IN", "US", "GB", "AE", "SG", "DE", ""} <= {c["country_code"] for c in contacts}
