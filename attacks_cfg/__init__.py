"""The attack suites, one TOML file each."""
