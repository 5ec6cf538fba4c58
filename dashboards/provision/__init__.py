"""Puts boards, rules and data source into a Grafana and reads them back (`dashboards/README.md`, step 9)."""
