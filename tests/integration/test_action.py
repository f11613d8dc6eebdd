"""The scripts of the GitHub Action and of the release, run as the runner would run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_distribution import ACTION, RELEASE, ROOT, read, steps

PLANNED = {"address": "aws_security_group.open", "mode": "managed", "type": "aws_security_group"}
SSH = {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["0.0.0.0/0"]}
# Answers the list of comments with $COMMENTS, that of comments without names with $OLD_COMMENTS, through no filter
# but jq's own part of it, and keeps what it is given.
GH = """#!/bin/sh
echo "$@" >> "$RUNNER_TEMP/asked"
case "$*" in
  *--paginate*'"<!-- hammer -->"'*) printf '%s' "$OLD_COMMENTS" ;;
  *--paginate*) printf '%s' "$COMMENTS" ;;
esac
"""


def plan(*cidrs: str, **unknown: Any) -> str:
    resource = {**PLANNED, "values": {"name": "open", "ingress": [{**SSH, "cidr_blocks": list(cidrs)}]}}
    change = {**PLANNED, "change": {"actions": ["create"], "after_unknown": unknown}}
    root = {"root_module": {"resources": [resource]}}
    return json.dumps({"format_version": "1.2", "planned_values": root, "resource_changes": [change]})


class Runner:
    """A folder that somebody checked out, and one for what the runner keeps."""

    def __init__(self, folder: Path) -> None:
        self.workspace, self.temporary, self.programs = folder / "workspace", folder / "temporary", folder / "programs"
        for each in (self.workspace, self.programs, self.temporary / "hammer" / "bin"):
            each.mkdir(parents=True)
        # What the step before installs.
        (self.temporary / "hammer" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (self.temporary / "hammer" / "bin" / "python").chmod(0o755)
        (self.programs / "gh").write_text(GH)
        (self.programs / "gh").chmod(0o755)
        (self.workspace / "plan.json").write_text(plan("0.0.0.0/0"))

    def run(self, step: dict[str, Any], **values: str) -> subprocess.CompletedProcess[str]:
        """Run a step's script with these values in place of its expressions."""
        given = dict.fromkeys(step.get("env", {}), "") | values
        kept = {name: str(self.temporary / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.workspace,
            env={
                **{"PATH": f"{self.programs}:{os.environ['PATH']}", "HOME": str(self.temporary), "LANG": "C.UTF-8"},
                **{"RUNNER_TEMP": str(self.temporary), "GITHUB_ACTION_PATH": str(ROOT), **kept, **given},
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def outputs(self) -> dict[str, str]:
        lines = (self.temporary / "GITHUB_OUTPUT").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def asked(self) -> list[str]:
        return (self.temporary / "asked").read_text("utf-8").splitlines()


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def step_of(path: Path, name: str) -> dict[str, Any]:
    (step,) = [step for step in steps(path) if step.get("name") == name]
    return step


JUDGE, COMMENT, GATE = (step_of(ACTION, name) for name in ("Judge", "Comment", "Gate"))


class TestJudge:
    def test_an_exposed_group(self, runner: Runner) -> None:
        done = runner.run(JUDGE, PLAN="plan.json", SARIF="true")
        assert done.returncode == 0, done.stderr
        outputs = runner.outputs()
        assert outputs["exit-code"] == "3"
        assert len(json.loads(Path(outputs["sarif-file"]).read_text("utf-8"))["runs"][0]["results"]) == 1
        assert "`aws_security_group.open`" in Path(outputs["markdown-file"]).read_text("utf-8")
        assert "1 security group exposes" in (runner.temporary / "GITHUB_STEP_SUMMARY").read_text("utf-8")

    def test_no_exposed_group(self, runner: Runner) -> None:
        (runner.workspace / "plan.json").write_text(plan("10.0.0.0/8"))
        assert runner.run(JUDGE, PLAN="plan.json", SARIF="false").returncode == 0
        assert runner.outputs().keys() == {"name", "markdown-file", "exit-code"}
        assert runner.outputs()["exit-code"] == "0"

    def test_less_than_what_it_shall_fail_for(self, runner: Runner) -> None:
        assert runner.run(JUDGE, PLAN="plan.json", SARIF="false", FAIL_ON="critical").returncode == 0
        assert runner.outputs()["exit-code"] == "0"

    def test_what_is_not_known_yet_is_commented_and_fails(self, runner: Runner) -> None:
        (runner.workspace / "plan.json").write_text(plan(ingress=[{"cidr_blocks": True}]))
        assert runner.run(JUDGE, PLAN="plan.json", SARIF="false").returncode == 0
        assert runner.outputs()["exit-code"] == "1"
        assert "Not judged" in Path(runner.outputs()["markdown-file"]).read_text("utf-8")

    def test_parameters_one_a_line(self, runner: Runner) -> None:
        resource = {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "x",
                "SecurityGroupIngress": [
                    {"IpProtocol": "tcp", "FromPort": {"Ref": "Port"}, "ToPort": 22, "CidrIp": {"Ref": "From"}}
                ],
            },
        }
        parameters = {"From": {"Type": "String"}, "Port": {"Type": "Number"}}
        template = {"Parameters": parameters, "Resources": {"Open": resource}}
        (runner.workspace / "network.yaml").write_text(yaml.safe_dump(template))
        done = runner.run(JUDGE, TEMPLATE="network.yaml", PARAMETERS="From=0.0.0.0/0\nPort=22\n", SARIF="false")
        assert done.returncode == 0, done.stderr
        assert runner.outputs()["exit-code"] == "3"

    @pytest.mark.parametrize(
        "values",
        [{"PLAN": "missing.json", "SARIF": "true"}, {"PLAN": "plan.json", "REGIONS": "eu-west-1", "SARIF": "false"}],
        ids=["no such file", "a region for a plan"],
    )
    def test_a_mistake_fails_at_once(self, runner: Runner, values: dict[str, str]) -> None:
        done = runner.run(JUDGE, **values)
        assert done.returncode != 0
        assert done.stderr
        assert not (runner.temporary / "GITHUB_STEP_SUMMARY").exists()

    def test_what_somebody_wrote_is_no_program(self, runner: Runner) -> None:
        untrusted = "$(touch made) `touch made`; touch made"
        assert runner.run(JUDGE, PLAN=untrusted, SARIF="false").returncode != 0
        assert not (runner.workspace / "made").exists()

    def test_an_input_is_no_option(self, runner: Runner) -> None:
        """`--output` as the name of a plan is the name of a plan."""
        assert runner.run(JUDGE, PLAN="--output=made", SARIF="false").returncode != 0
        assert not (runner.workspace / "made").exists()

    def test_modules_of_the_checkout_are_not_imported(self, runner: Runner) -> None:
        for name in ("hammer", "library", "yaml", "json"):
            (runner.workspace / f"{name}.py").write_text("raise SystemExit('imported from the checkout')\n")
        done = runner.run(JUDGE, PLAN="plan.json", SARIF="false")
        assert (done.returncode, "imported from the checkout" in done.stderr) == (0, False)


class TestComment:
    @pytest.mark.parametrize(
        ("comments", "expected"),
        [
            ("", "api --method POST repos/o/r/issues/7/comments -F body=@"),
            ("41\n", "api --method PATCH repos/o/r/issues/comments/41 -F body=@"),
            ("41\n42\n", "api --method PATCH repos/o/r/issues/comments/41 -F body=@"),
        ],
        ids=["the first", "written anew", "two of them"],
    )
    def test_one_comment(self, runner: Runner, comments: str, expected: str) -> None:
        text = runner.temporary / "hammer.md"
        text.write_text("### Hammer: ...\n")
        repository = {"GITHUB_REPOSITORY": "o/r", "NUMBER": "7", "COMMENTS": comments, "NAME": "hammer"}
        done = runner.run(COMMENT, MARKDOWN=str(text), **repository)
        assert done.returncode == 0, done.stderr
        assert runner.asked()[-1].startswith(expected)
        written = (runner.temporary / "comment.md").read_text("utf-8")
        assert written == "<!-- hammer: -->\n### Hammer: ...\n"

    @pytest.mark.parametrize("name", ["hammer", "hammer/plan.json"])
    @pytest.mark.parametrize(("comments", "expected"), [("", "41"), ("42\n", "42")])
    def test_the_comment_of_a_version_without_names_is_taken_over(
        self, runner: Runner, name: str, comments: str, expected: str
    ) -> None:
        """Else a pull request that was open at the upgrade says for ever what that version found."""
        text = runner.temporary / "hammer.md"
        text.write_text("### Hammer: ...\n")
        repository = {"GITHUB_REPOSITORY": "o/r", "NUMBER": "7", "COMMENTS": comments, "OLD_COMMENTS": "41\n"}
        done = runner.run(COMMENT, MARKDOWN=str(text), NAME=name, **repository)
        assert done.returncode == 0, done.stderr
        assert runner.asked()[-1].startswith(f"api --method PATCH repos/o/r/issues/comments/{expected} ")
        assert not (runner.temporary / "comment.md").read_text("utf-8").startswith("<!-- hammer -->")


class TestSeveralUses:
    """Two plans in one job, or in two jobs for one pull request: no use hides what the other found."""

    def test_each_has_files_of_its_own(self, runner: Runner) -> None:
        (runner.workspace / "other.json").write_text(plan("10.0.0.0/8"))
        kept = []
        for path in ("plan.json", "other.json"):
            assert runner.run(JUDGE, PLAN=path, NAME=path, SARIF="true").returncode == 0
            kept.append(runner.outputs())
        first, second = kept
        assert (first["exit-code"], second["exit-code"]) == ("3", "0")
        assert "1 security group exposes" in Path(first["markdown-file"]).read_text("utf-8")
        assert len(json.loads(Path(first["sarif-file"]).read_text("utf-8"))["runs"][0]["results"]) == 1

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("", "hammer"),
            ("infra/plan.json", "hammer/infra/plan.json"),
            ('a b"\n$(x)', "hammer/a_b____x_"),
        ],
    )
    def test_the_name(self, runner: Runner, name: str, expected: str) -> None:
        assert runner.run(JUDGE, PLAN="plan.json", NAME=name, SARIF="false").returncode == 0
        assert runner.outputs()["name"] == expected

    def test_the_plan_is_the_name_of_results_and_comment(self) -> None:
        assert JUDGE["env"]["NAME"] == "${{ inputs.name || inputs.plan || inputs.template }}"
        (upload,) = [step for step in steps(ACTION) if "upload-sarif" in step.get("uses", "")]
        assert upload["with"]["category"] == COMMENT["env"]["NAME"] == "${{ steps.judge.outputs.name }}"

    def test_the_comment_of_a_name(self, runner: Runner) -> None:
        text = runner.temporary / "hammer.md"
        text.write_text("### Hammer: ...\n")
        repository = {"GITHUB_REPOSITORY": "o/r", "NUMBER": "7", "COMMENTS": ""}
        done = runner.run(COMMENT, MARKDOWN=str(text), NAME="hammer/infra/plan.json", **repository)
        assert done.returncode == 0, done.stderr
        assert 'startswith("<!-- hammer:/infra/plan.json -->")' in runner.asked()[0]
        written = (runner.temporary / "comment.md").read_text("utf-8")
        assert written == "<!-- hammer:/infra/plan.json -->\n### Hammer: ...\n\n`infra/plan.json`\n"


@pytest.mark.parametrize("code", ["0", "1", "3"])
def test_the_gate_is_the_scan(runner: Runner, code: str) -> None:
    assert runner.run(GATE, CODE=code).returncode == int(code)


def test_the_formula_of_a_release(runner: Runner) -> None:
    step = step_of(RELEASE, "Formula")
    dist = runner.workspace / "dist"
    dist.mkdir()
    (dist / "hammer_security_groups-1.2.3.tar.gz").write_bytes(b"")
    (runner.workspace / "packaging").symlink_to(ROOT / "packaging")
    done = runner.run(step, VERSION="1.2.3", REPOSITORY_URL="https://git.example.com/a/hammer")
    assert done.returncode == 0, done.stderr
    text = (dist / "hammer-security-groups.rb").read_text("utf-8")
    assert 'homepage "https://git.example.com/a/hammer"' in text
    assert "/releases/download/v1.2.3/hammer_security_groups-1.2.3.tar.gz" in text
    assert 'sha256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"' in text
    assert "@" not in text.replace("python@3.13", "").replace("between @;", "")


def test_the_name_of_the_source_archive_is_that_of_the_formula() -> None:
    """The name of a distribution in a file's name has underscores."""
    name = read(RELEASE)["jobs"]["release"]["steps"][2]["run"]
    assert "dist/hammer_security_groups-$VERSION.tar.gz" in name
