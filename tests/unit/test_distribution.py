"""What Hammer is had as, beside a clone: the image, the action, the release and the formula keep their rules."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

from tests.unit.test_documented_commands import mistake

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "action.yml"
RELEASE = ROOT / ".github" / "workflows" / "release.yml"
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.y*ml"))
WORKFLOWS = [ACTION, *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
FORMULA = ROOT / "packaging" / "homebrew" / "hammer-security-groups.rb.template"
_EXPRESSION = re.compile(r"\$\{\{")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def steps(path: Path) -> list[dict[str, Any]]:
    """Every step of a workflow or of a composite action."""
    content = read(path)
    if "runs" in content:
        return list(content["runs"]["steps"])
    return [step for job in content["jobs"].values() for step in job["steps"]]


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction of a Dockerfile, with the lines that continue it, and without comments."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in joined.splitlines() if line.strip()]


def dockerfile_mistakes(text: str) -> list[str]:
    """What is wrong with a Dockerfile by the rules of this project."""
    found = instructions(text)
    last = found[max(number for number, (name, _) in enumerate(found) if name == "FROM") :]
    wrong = []
    for name, rest in found:
        image = rest.split()[0] if rest else ""
        if name == "FROM" and not re.search(r":\d+\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?$", image):
            wrong.append(f"{image} is no exact slim tag")
        if name == "ADD":
            wrong.append("COPY instead of ADD")
        if name == "COPY" and rest.split()[0] in (".", "./"):
            wrong.append("COPY of everything")
        for command in re.findall(r"pip [^&|;]*\binstall\b[^&|;]*", rest) if name == "RUN" else ():
            if "--require-hashes" not in command and not {"--no-index", "--no-deps"} <= set(command.split()):
                wrong.append(f"not pinned: {command.strip()}")
            if "--no-cache-dir" not in command:
                wrong.append("pip keeps its cache")
        if re.search(r"index-url|trusted-host|\bcurl\b|\bwget\b", rest):
            wrong.append(f"another source: {rest}")
        if name in ("ARG", "ENV") and re.search(r"(?i)secret|token|password|access_key", rest):
            wrong.append(f"a secret in {name}")
    users = [rest for name, rest in last if name == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]):
        wrong.append("USER is root, or not a number")
    labels = " ".join(rest for name, rest in last if name == "LABEL")
    wrong += [
        f"no label {label}"
        for label in ("title", "description", "licenses", "base.name")
        if f"org.opencontainers.image.{label}=" not in labels
    ]
    entry = [rest for name, rest in last if name == "ENTRYPOINT"]
    if not entry or not entry[-1].startswith("["):
        wrong.append("ENTRYPOINT is a shell")
    return wrong


class TestImage:
    TEXT = (ROOT / "Dockerfile").read_text("utf-8")

    def test_it_keeps_the_rules(self) -> None:
        assert dockerfile_mistakes(self.TEXT) == []

    @pytest.mark.parametrize(
        ("before", "after", "mistake"),
        [
            ("python:3.13.9-slim-trixie\n", "python:latest\n", "no exact slim tag"),
            ("python:3.13.9-slim-trixie AS", "python:3.13-slim AS", "no exact slim tag"),
            ("USER 10001:10001\n", "", "USER is root"),
            ("USER 10001:10001\n", "USER 10001:10001\nUSER root\n", "USER is root"),
            ("USER 10001:10001\n", "USER 0\n", "USER is root"),
            ("--require-hashes --requirement requirements/host.lock", "boto3", "not pinned"),
            ("COPY hammer hammer/", "COPY . .", "COPY of everything"),
            ("COPY hammer hammer/", "ADD hammer hammer/", "COPY instead of ADD"),
            ("org.opencontainers.image.licenses", "licenses", "no label licenses"),
            ('ENTRYPOINT ["hammer"]', "ENTRYPOINT hammer", "ENTRYPOINT is a shell"),
            ("PYTHONUNBUFFERED=1", "AWS_SECRET_ACCESS_KEY=x", "a secret in ENV"),
            ("--only-binary :all:", "--index-url https://example.com/", "another source"),
            ("--no-cache-dir", "", "pip keeps its cache"),
        ],
    )
    def test_each_rule_is_one(self, before: str, after: str, mistake: str) -> None:
        assert before in self.TEXT
        assert [wrong for wrong in dockerfile_mistakes(self.TEXT.replace(before, after, 1)) if mistake in wrong]

    def test_both_stages_have_the_same_python(self) -> None:
        """What is installed in the first runs in the second."""
        images = {rest.split()[0] for name, rest in instructions(self.TEXT) if name == "FROM"}
        base = re.findall(r'image\.base\.name="docker\.io/library/([^"]+)"', self.TEXT)
        assert images == set(base)

    def test_what_is_copied_is_there_and_is_not_ignored(self) -> None:
        kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
        copied = {
            source
            for name, rest in instructions(self.TEXT)
            if name == "COPY" and "--from" not in rest
            for source in rest.split()[:-1]
        }
        assert copied == kept
        assert [name for name in copied if not (ROOT / name).exists()] == []

    def test_the_context_has_neither_history_nor_configuration(self) -> None:
        lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        assert next(line for line in lines if not line.startswith("#")) == "*"

    def test_its_packages_are_those_of_the_wheel(self) -> None:
        wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"][
            "wheel"
        ]
        assert set(wheel["only-include"]) <= {
            rest.split()[0] for name, rest in instructions(self.TEXT) if name == "COPY"
        }


class TestWorkflows:
    @pytest.mark.parametrize("path", [*WORKFLOWS, *EXAMPLES], ids=lambda path: path.name)
    def test_each_is_yaml(self, path: Path) -> None:
        assert isinstance(read(path), dict)

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_every_action_is_pinned(self, path: Path) -> None:
        """By its whole commit, with the version behind it; or by a tag that docs/install.md names, and says why."""
        documented = (ROOT / "docs" / "install.md").read_text("utf-8")
        for line in path.read_text("utf-8").splitlines():
            if found := re.match(r"\s*(?:- )?uses: (\S+)(.*)", line):
                used, comment = found.groups()
                if re.search(r"@[0-9a-f]{40}$", used):
                    assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), line
                else:
                    assert re.search(r"@v\d+$", used), line
                    assert f"`{used}`" in documented, line

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_the_same_action_has_one_version(self, path: Path) -> None:
        used = {step["uses"] for each in WORKFLOWS for step in steps(each) if "uses" in step}
        assert len({name.partition("@")[0] for name in used}) == len(used)

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_no_program_is_made_of_what_somebody_wrote(self, path: Path) -> None:
        """An expression in a script is text of the script before the shell reads it."""
        assert [step["run"] for step in steps(path) if _EXPRESSION.search(step.get("run", ""))] == []

    @pytest.mark.parametrize("path", [*WORKFLOWS, *EXAMPLES], ids=lambda path: path.name)
    def test_every_command_of_hammer_exists(self, path: Path) -> None:
        assert [f"{command}: {reason}" for command in commands(path) if (reason := mistake(command))] == []

    @pytest.mark.parametrize("path", [*WORKFLOWS, *EXAMPLES], ids=lambda path: path.name)
    def test_no_comment_of_another_workflow_is_written_over(self, path: Path) -> None:
        """All workflows write as one user, and `gh pr comment --edit-last` edits that user's last comment."""
        text = path.read_text("utf-8")
        assert "--edit-last" not in text
        if "--method PATCH" in text:
            assert 'select(.user.type == \\"Bot\\" and (.body | startswith(\\"$mark\\")))' in text

    def test_each_comment_has_a_mark_of_its_own(self) -> None:
        """A repository may have the action for its templates, and a workflow for its plan."""
        found = [
            re.findall(r"mark=['\"](<!-- .+ -->)['\"]", path.read_text("utf-8")) for path in (*WORKFLOWS, *EXAMPLES)
        ]
        marks = [mark for each in found for mark in each]
        assert len(marks) == len(set(marks)) == 2

    def test_the_commands_are_found(self) -> None:
        assert {"--version"} <= {command.split()[0] for command in commands(RELEASE)}
        assert {"scan"} == {command.split()[0] for command in commands(ACTION)}


def commands(path: Path) -> Iterator[str]:
    """The commands of Hammer in a workflow's scripts; what the shell fills in is left out."""
    for line in path.read_text("utf-8").splitlines():
        if found := re.match(r"\s*(?:- |run: )*hammer (?P<rest>[a-z-].*?)(?: \|\| .*)?$", line):
            yield " ".join(word for word in shlex.split(found["rest"]) if not word.startswith("$"))


class TestAction:
    CONTENT = read(ACTION)

    def test_every_input_is_used_and_every_used_one_is_there(self) -> None:
        used = set(re.findall(r"\binputs\.([a-z-]+)", json_text(self.CONTENT["runs"])))
        assert used == set(self.CONTENT["inputs"])

    def test_every_input_and_output_is_described_in_the_document(self) -> None:
        text = (ROOT / "docs" / "install.md").read_text("utf-8")
        assert [n for n in (*self.CONTENT["inputs"], *self.CONTENT["outputs"]) if f"| `{n}` |" not in text] == []

    def test_each_value_is_given_to_its_step_by_the_environment(self) -> None:
        for step in self.CONTENT["runs"]["steps"]:
            for name in step.get("env", {}):
                known = name == "GH_TOKEN" or re.search(rf"\${{?{name}\b", step["run"])
                assert known, f"{name} is not used by {step['name']}"

    def test_each_option_that_it_adds_is_one_of_scan(self) -> None:
        script = next(step["run"] for step in self.CONTENT["runs"]["steps"] if step.get("id") == "judge")
        added = re.findall(r"^add (--[a-z-]+) ", script, re.MULTILINE)
        assert len(added) == 7
        assert mistake(f"scan {' '.join(added)}") is None

    def test_the_python_of_the_job_stays_what_it_was(self) -> None:
        """By default setup-python puts its Python before the job's own in PATH, for every later step."""
        (setup,) = [s for s in self.CONTENT["runs"]["steps"] if s.get("uses", "").startswith("actions/setup-python@")]
        assert setup["with"]["update-environment"] is False
        assert self.CONTENT["runs"]["steps"][1]["env"] == {"PYTHON": "${{ steps.python.outputs.python-path }}"}

    @pytest.mark.parametrize("name", ["Install", "Judge"])
    @pytest.mark.parametrize(("of_the_job", "after"), [("", ""), ("/opt/other/lib", ":/opt/other/lib")])
    def test_its_python_finds_its_library_on_a_runner_of_ones_own(self, name: str, of_the_job: str, after: str) -> None:
        """It is linked for /opt/hostedtoolcache, and setup-python sets this only where it updates the environment."""
        (step,) = [step for step in self.CONTENT["runs"]["steps"] if step.get("name") == name]
        assert step["env"]["PYTHON"] == "${{ steps.python.outputs.python-path }}"
        (line,) = [line for line in step["run"].splitlines() if line.startswith("export LD_LIBRARY_PATH=")]
        assert step["run"].index(line) < step["run"].index("/bin/python")
        given = {"PYTHON": "/runner/_work/_tool/Python/3.13.1/x64/bin/python", "LD_LIBRARY_PATH": of_the_job}
        script = f'{line}\necho "$LD_LIBRARY_PATH"'
        shown = subprocess.run(["bash", "-c", script], env=given, capture_output=True, text=True, check=True).stdout
        assert shown == f"/runner/_work/_tool/Python/3.13.1/x64/lib{after}\n"

    def test_every_script_has_a_shell(self) -> None:
        assert [step for step in self.CONTENT["runs"]["steps"] if ("run" in step) != ("shell" in step)] == []

    def test_outputs_come_from_what_its_step_writes(self) -> None:
        script = next(step["run"] for step in self.CONTENT["runs"]["steps"] if step.get("id") == "judge")
        for output in self.CONTENT["outputs"].values():
            (name,) = re.findall(r"steps\.judge\.outputs\.([a-z-]+)", output["value"])
            assert f'echo "{name}=' in script


def json_text(value: Any) -> str:
    return str(yaml.safe_dump(value, width=10_000))


class TestRelease:
    CONTENT = read(RELEASE)

    def test_nothing_is_allowed_that_a_job_does_not_ask_for(self) -> None:
        assert self.CONTENT["permissions"] == {}
        assert [name for name, job in self.CONTENT["jobs"].items() if "permissions" not in job] == []

    def test_it_begins_with_a_tag_alone(self) -> None:
        # YAML reads the key `on` as a truth value.
        assert self.CONTENT[True] == {"push": {"tags": ["v*"]}}

    def test_publishing_has_no_password(self) -> None:
        job = self.CONTENT["jobs"]["index"]
        (publish,) = [step for step in job["steps"] if step["uses"].startswith("pypa/")]
        assert job["permissions"] == {"id-token": "write"}
        assert job["environment"] == "release"
        assert publish["with"] == {"packages-dir": "dist/", "attestations": True}
        assert "secrets." not in RELEASE.read_text("utf-8")

    @pytest.mark.parametrize(("job", "subject"), [("build", "subject-path"), ("image", "subject-digest")])
    def test_what_is_built_is_attested(self, job: str, subject: str) -> None:
        made = self.CONTENT["jobs"][job]
        (attest,) = [s for s in made["steps"] if s.get("uses", "").startswith("actions/attest-build-provenance@")]
        assert attest["with"][subject]
        assert made["permissions"]["attestations"] == made["permissions"]["id-token"] == "write"

    def test_every_job_ends(self) -> None:
        assert [name for name, job in self.CONTENT["jobs"].items() if not job.get("timeout-minutes")] == []

    def test_no_checkout_keeps_a_token(self) -> None:
        found = [step for step in steps(RELEASE) if step.get("uses", "").startswith("actions/checkout@")]
        assert found
        assert [step for step in found if step["with"]["persist-credentials"] is not False] == []

    def test_it_installs_only_what_the_locks_pin(self) -> None:
        for step in steps(RELEASE):
            for command in re.findall(r"pip\"? install .*", step.get("run", "")):
                assert "--require-hashes" in command or "--no-deps --no-index" in command, command


class TestProjectUrls:
    def urls(self, monkeypatch: pytest.MonkeyPatch, repository: str) -> dict[str, str]:
        monkeypatch.setenv("HAMMER_REPOSITORY_URL", repository)
        return dict(ProjectMetadata(str(ROOT), PluginManager()).core.urls)

    def test_a_release_names_the_repository_that_it_is_built_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.urls(monkeypatch, "https://git.example.com/security/hammer/") == {
            "Homepage": "https://git.example.com/security/hammer",
            "Documentation": "https://git.example.com/security/hammer/tree/main/docs",
            "Source": "https://git.example.com/security/hammer",
            "Issues": "https://git.example.com/security/hammer/issues",
            "Changelog": "https://git.example.com/security/hammer/blob/main/CHANGELOG.md",
        }

    def test_a_clone_names_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.urls(monkeypatch, "") == {}

    def test_something_else_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ValueError, match=r"no address: 'git@example\.com:hammer'"):
            self.urls(monkeypatch, "git@example.com:hammer")

    def test_the_release_gives_it(self) -> None:
        (build,) = [step for step in steps(RELEASE) if step.get("id") == "build"]
        assert build["env"] == {"HAMMER_REPOSITORY_URL": "${{ github.server_url }}/${{ github.repository }}"}


class TestFormula:
    TEXT = FORMULA.read_text("utf-8")

    def test_the_release_fills_in_every_blank(self) -> None:
        (fill,) = [step["run"] for step in steps(RELEASE) if step.get("name") == "Formula"]
        assert set(re.findall(r"@[A-Z0-9]+@", self.TEXT)) == set(re.findall(r"@[A-Z0-9]+@", fill))

    def test_its_name_is_that_of_the_distribution(self) -> None:
        name = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["name"]
        assert FORMULA.name == f"{name}.rb.template"
        assert f"class {''.join(part.capitalize() for part in name.split('-'))} < Formula" in self.TEXT

    def test_its_licence_is_that_of_the_project(self) -> None:
        licence = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["license"]
        assert f'license "{licence}"' in self.TEXT

    def test_its_description_is_as_homebrew_wants_it(self) -> None:
        """At most 80 characters with the name, no article at the beginning, no full stop (`brew audit`)."""
        (text,) = re.findall(r'^  desc "(.+)"$', self.TEXT, re.MULTILINE)
        assert len(f"hammer-security-groups: {text}") <= 92
        assert len(text) <= 80
        assert not re.match(r"(?i)(a|an|the) ", text)
        assert not text.endswith(".")

    def test_each_shell_gets_its_own_completion(self) -> None:
        """Without the format, typer prints the completion of the shell that `brew` runs in, for all three."""
        assert 'generate_completions_from_executable(bin/"hammer", shell_parameter_format: :typer, ' in self.TEXT

    def test_its_commands_exist(self) -> None:
        words = re.findall(r'(?:bin}/hammer |system bin/"hammer", )(.+)', self.TEXT)
        assert len(words) == 2
        for found in words:
            options = re.findall(r"--[a-z-]+", found)
            name = "scan" if "scan" in found else ""
            assert options
            assert mistake(f"{name} {' '.join(options)}".strip()) is None
