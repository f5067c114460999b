"""`dg scaffold defs dialnexa_pipeline.LeadSyncComponent my_sync`: a sync that lacks three edits."""

import re

import dagster as dg

from dialnexa_pipeline.yaml_schema import begin_with_schema

_YAML = """\
type: dialnexa_pipeline.LeadSyncComponent
attributes:
  name: {name}
  # EDIT 1: where the leads are, and which columns hold key and phone.
  source:
    table: analytics.leads_to_call   # or query: one SELECT, or file: leads.csv
    key: lead_id                     # unique and not null
    phone: mobile                    # any spelling
    # country: country_code          # column of ISO codes such as IN
    default_country: IN              # for numbers in national form
    # updated_at: updated_at         # runs read what changed since; moves whenever a row does
  # EDIT 2: the workflow that calls them; `dialnexa doctor` lists yours.
  workflow: wf_change_me             # or workflow_column: workflow_id
  # EDIT 3: what the agent may know. Uploaded header: source column; nothing else leaves.
  variables:
    name: full_name
  required_variables: [name]
  # What follows has a default, and docs/keys.md says more.
  # phone_types: [mobile, fixed_line_or_mobile]
  # dedupe: forever                  # or 30d: a number may be enrolled again after that
  # guard: {{max_leads: 50000, max_growth: 3.0, max_reject_rate: 0.5}}
  # preflight: warn                  # or enforce: send no lead to a country that is not enabled
  # freshness: 26h                   # overdue in the UI after that; a schedule sets it by itself
  # in_doubt: replan                 # or hold: a person decides on rows that never arrived
  # schedule: "0 9 * * 1-5"
  # timezone: Asia/Kolkata
  # progress: {{schedule: "0 * * * *"}}   # or true: record how far each enrolled lead has come
  # partitions: {{every: day, start: 2026-01-01, look_back: 2d}}
"""


class LeadSyncScaffolder(dg.Scaffolder):
    """Writes a commented YAML document, named after its folder, and the schema it is edited by."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Raises ValueError when Python was asked for: a sync is YAML."""
        if request.scaffold_format != "yaml":
            raise ValueError("A LeadSyncComponent is one YAML document; leave --format out.")
        text = _YAML.format(name=_sync_name(request.target_path.name))
        path = request.target_path / "defs.yaml"
        if request.append:
            path = request.target_path
            text = f"---\n{text}"
        elif request.project_root is not None:
            text = begin_with_schema(text, path, request.project_root)
        with path.open("a" if request.append else "w", encoding="utf-8") as file:
            file.write(text)


def _sync_name(folder: str) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", folder.lower()).strip("_")
    return name if re.match(r"[a-z]", name) else f"sync_{name}".rstrip("_")
