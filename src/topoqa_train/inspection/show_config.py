"""A config after defaults, manifest and overrides, with the source of each value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train.config import value_sources
from topoqa_train.config.job_plan import LoadedManifest
from topoqa_train.config.load import LoadedConfig, load_config
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.overrides import Override
from topoqa_train.config.value_sources import Value
from topoqa_train.errors import RequestError, shown_path
from topoqa_train.suggest import did_you_mean


@dataclass(frozen=True)
class ShownConfig:
    """A final config. `manifest` and `job` are None if it does not come from a manifest."""

    source: Path
    flat: bool
    ranking_metric: str
    values: tuple[Value, ...]
    manifest: Path | None = None
    job: str | None = None


def of_file(config: Path, overrides: Sequence[Override]) -> ShownConfig:
    """Return the final values of a config file, or of the shipped one of that name.

    Raises:
        ConfigError: it, or an override, is not valid.
    """
    return _shown(load_config(config, overrides))


def of_job(manifest: Path, job: str | None, overrides: Sequence[Override]) -> ShownConfig:
    """Return the final config of a job, fine-tune jobs included; `job` may be None if there is one.

    Raises:
        ConfigError: the manifest, a config of it or an override is not valid.
        RequestError: it has no such job, or several and none is named.
    """
    loaded = load_manifest(manifest, overrides)
    configs = _configs(loaded)
    name = job if job is not None or len(configs) > 1 else next(iter(configs))
    if name not in configs:
        wrong = f"no job '{name}'{did_you_mean(name, configs)}" if name else "more than one job"
        raise RequestError(
            f"{loaded.source.name} has {wrong}",
            details=[f"jobs: {', '.join(configs)}"],
            hint=None if name else "Name one with --job.",
        )
    return _shown(configs[name], loaded.source, name)


def _configs(manifest: LoadedManifest) -> dict[str, LoadedConfig]:
    fine = manifest.fine_tune
    jobs = [*manifest.jobs, *((fine.phase1, *fine.phase2.values()) if fine else ())]
    return {job.name: job.config for job in jobs}


def _shown(
    loaded: LoadedConfig, manifest: Path | None = None, job: str | None = None
) -> ShownConfig:
    return ShownConfig(
        source=loaded.source,
        flat=value_sources.is_flat(loaded),
        ranking_metric=loaded.config.selection.ranking_metric,
        values=value_sources.values_of(loaded),
        manifest=manifest,
        job=job,
    )


def title(shown: ShownConfig) -> list[str]:
    """Return what is shown, as lines."""
    lines = [shown_path(shown.source) + (" (flat, here in sections)" if shown.flat else "")]
    if shown.manifest is not None:
        lines.append(f"job {shown.job} of {shown_path(shown.manifest)}")
    return [*lines, f"epochs and checkpoints are ranked by {shown.ranking_metric}"]


def to_document(shown: ShownConfig) -> dict[str, Any]:
    """Return the config as JSON types, with absolute paths."""
    return {
        "config": str(shown.source.resolve()),
        "layout": "flat" if shown.flat else "sections",
        "manifest": None if shown.manifest is None else str(shown.manifest.resolve()),
        "job": shown.job,
        "ranking_metric": shown.ranking_metric,
        "values": [
            {
                "key": value.key,
                "value": _plain(value.value),
                "from": {
                    "kind": value.source.kind,
                    "name": value.source.name,
                    "file": value.source.file and str(value.source.file.resolve()),
                    "line": value.source.line,
                },
            }
            for value in shown.values
        ],
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a config
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
