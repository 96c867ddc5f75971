"""What `lihil new` tells the user, as text for a person and as a document for a program. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from lihil_cli.scaffold.names import ProjectNames
from lihil_cli.scaffold.plan import Origin, Plan, pip_install_line


@dataclass(frozen=True, slots=True)
class Step:
    """Shell lines under one heading."""

    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One project, made or (on a dry run) only planned."""

    names: ProjectNames
    template: str
    plan: Plan
    steps: tuple[Step, ...]
    dry_run: bool

    @property
    def text(self) -> str:
        """The files, then what to type next."""
        folder = self.names.folder
        verb = "would make" if self.dry_run else "made"
        lines = [f"{verb} {folder} from the {self.template} template, {len(self.plan.files)} files:"]
        lines += [f"  {folder}/{file.path}" for file in self.plan.files]
        for step in self.steps:
            lines += ["", f"{step.heading}:", *(f"  {line}" for line in step.lines)]
        return "\n".join(lines)

    @property
    def document(self) -> dict[str, object]:
        """The same for `--json`."""
        return {
            "name": self.names.folder,
            "dist": self.names.dist,
            "module": self.names.module,
            "title": self.names.title,
            "template": self.template,
            "dry_run": self.dry_run,
            "files": [
                {"path": file.path, "bytes": len(file.data), "executable": bool(file.mode & 0o111)}
                for file in self.plan.files
            ],
            "next": [line for step in self.steps for line in step.lines],
        }


def next_steps(names: ProjectNames, plan: Plan, origin: Origin, *, uv_found: bool, windows: bool) -> tuple[Step, ...]:
    """Run it, talk to it, test it: through uv where it is found, otherwise through venv and pip."""
    prefix, prepare = "uv run ", []
    if not uv_found:
        activate = r".venv\Scripts\activate" if windows else ". .venv/bin/activate"
        prefix, prepare = "", [f"{'py' if windows else 'python3'} -m venv .venv", activate, pip_install_line(origin)]
    return (
        Step("run it", (f"cd {names.folder}", *prepare, f"{prefix}lihil run --reload")),
        Step("talk to it, from another terminal in that folder", (f"{prefix}{plan.try_command}",)),
        Step("test it", (f"{prefix}pytest",)),
    )


def template_table(templates: Sequence[tuple[str, str]]) -> str:
    """One line a template: its name, and its description in a column of its own."""
    width = max((len(name) for name, _ in templates), default=0)
    return "\n".join(f"{name:{width}}  {description}".rstrip() for name, description in templates)
