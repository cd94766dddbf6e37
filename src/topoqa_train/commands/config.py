"""`topoqa-train config`: show, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands.common import completion, options

app = typer.Typer(
    help="Show the effective values of a config; print the schema for editors.",
    no_args_is_help=True,
)
_HINT = (
    "topoqa-train config show sched_boost_seed222\n"
    "topoqa-train config show --manifest run_core --job sched_boost_seed222"
)


@app.command()
def show(
    config: Annotated[
        Path | None,
        typer.Argument(
            help="YAML config, or the name of a shipped one.",
            autocompletion=completion.configs,
            metavar="CONFIG",
            show_default=False,
        ),
    ] = None,
    config_option: options.Config = None,
    override: options.Overrides = None,
    manifest: options.Manifest = None,
    job: Annotated[
        str | None,
        typer.Option(
            help="Show this job of the manifest; finetune_phase1 and phase2_seed101 are jobs too.",
            metavar="NAME",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Show the values of a config after defaults and overrides, each with its source.

    Give a config, or a manifest and one of its jobs to include what the manifest sets. Flat configs
    of the previous pipeline are shown in sections, with their own keys beside them.

    Example: topoqa-train config show sched_boost_seed222 -o trainer.num_epochs=20
    """
    from topoqa_train.config.overrides import parse_override
    from topoqa_train.config.recipes import default_manifest
    from topoqa_train.errors import RequestError
    from topoqa_train.inspection import show_config as workflow
    from topoqa_train.ui.console import out
    from topoqa_train.ui.tables.config import config_table

    here = Path.cwd()
    overrides = [parse_override(text, base=here) for text in override or ()]
    source = config or config_option
    by_job = manifest is not None or job is not None
    if by_job == (source is not None) or (config and config_option):
        raise RequestError("give one config, or a manifest and its job", hint=_HINT)
    if source is not None:
        found = workflow.of_file(source, overrides)
    else:
        found = workflow.of_job(manifest or default_manifest(here), job, overrides)
    if as_json:
        typer.echo(json.dumps(workflow.to_document(found), indent=2))
        return
    out().print(config_table(workflow.title(found), found.values, here))


@app.command()
def schema(
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Print the schema of manifests.")
    ] = False,
) -> None:
    """Print the JSON Schema of configs or manifests, for editors that complete and check YAML.

    An editor finds the schema by the first line of a file: # yaml-language-server: $schema=...
    VS Code needs the extension YAML. The shipped files and those of init have that line.

    Example: topoqa-train config schema > config.schema.json
    """
    from topoqa_train.config.schema import as_text, config_schema, manifest_schema

    typer.echo(as_text(manifest_schema() if manifest else config_schema()), nl=False)
