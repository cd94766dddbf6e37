"""Configs, overrides and manifests: YAML to checked, frozen models."""
