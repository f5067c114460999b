"""`dg scaffold defs dialnexa_pipeline.AlertsComponent alerts`: alerts that lack one edit."""

import dagster as dg

from dialnexa_pipeline.yaml_schema import begin_with_schema

_YAML = """\
type: dialnexa_pipeline.AlertsComponent
attributes:
  # EDIT: who is told; slack, email or both.
  slack:
    channel: "#calls"                # the bot token comes from DIALNEXA_SLACK_TOKEN
  # email:
  #   sender: dagster@example.com
  #   to: [calls@example.com]
  #   smtp_host: smtp.example.com
  #   smtp_user: dagster@example.com # the password comes from DIALNEXA_SMTP_PASSWORD
  # What follows has a default, and docs/alerts.md says more.
  # when: [sync_failed, in_doubt, reject_rate, guard_held, stopped]
  # in_doubt_minutes: 30
  # reject_rate: 0.2
  # syncs: [home_loans]              # all of them unless some are named
  # webserver_base_url: https://dagster.example.com
  digest: {schedule: "0 9 * * *", timezone: UTC}
"""


class AlertsScaffolder(dg.Scaffolder):
    """Writes a commented YAML document."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Raises ValueError when Python was asked for: alerts are YAML."""
        if request.scaffold_format != "yaml":
            raise ValueError("An AlertsComponent is one YAML document; leave --format out.")
        path, text = request.target_path / "defs.yaml", _YAML
        if request.append:
            path, text = request.target_path, f"---\n{_YAML}"
        elif request.project_root is not None:
            text = begin_with_schema(text, path, request.project_root)
        with path.open("a" if request.append else "w", encoding="utf-8") as file:
            file.write(text)
