"""`hammer explain`: one group, and every decision about it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from hammer.__main__ import application
from hammer.explain import Asked, analyze
from library.issues.reachability import Path, Verdict
from tests.worlds.emulated_aws import Rejection
from tests.worlds.identification_world import IRELAND, OTHER, SLAVE, World, _main_client
from tests.worlds.network_world import Network


@pytest.fixture
def network(world: World) -> Network:
    made = Network(world)
    world.aws.forget()
    return made


def explain(world: World, group: str, *options: str, account: str = SLAVE, region: str = IRELAND) -> Result:
    arguments = ["explain", "--config", str(world.folder), "--account", account, "--region", region, "--group", group]
    return CliRunner().invoke(application(arguments), [*arguments, *options])


def test_one_group_on_one_screen(network: Network) -> None:
    interface = network.run(tags={"Name": "web", "owner": "ana@example.com"})
    network.world.allow(network.ids["group"], "tcp/443 from 0.0.0.0/0", "tcp/22 from 10.0.0.0/8")
    network.world.describe()
    found = explain(network.world, network.ids["group"])
    assert found.exit_code == 0, found.output
    (path,) = network.reachability()["paths"]
    ids, address = network.ids, path["address"]
    sections = [" ".join(section.split()) for section in found.stdout.split("\n\n")]
    assert sections == [
        f"{ids['group']} 'ssh' in {SLAVE} (slave1), {IRELAND}, {ids['vpc']}",
        "critical: anyone on the Internet can connect now. The rules allow SSH (tcp/22) from the whole Internet.",
        "Rules tcp/22 from 0.0.0.0/0 exposes SSH (tcp/22) to all of IPv4: open completely "
        "tcp/22 from 10.0.0.0/8 exposes nothing: its source has no public address, or is trusted or exempt "
        "tcp/443 from 0.0.0.0/0 exposes nothing: no restricted port is in it",
        "Reachability internet: anyone on the Internet can connect now "
        f"{interface}, instance {ids['instance']}, {address}: internet "
        f"Internet > {ids['igw']} > {ids['table']} > {ids['acl']} > {interface} "
        f"Anyone on the Internet can connect now to tcp/22 of instance {ids['instance']} at {address}. "
        "A stopped instance counts as attached: what is said here holds as soon as it runs. "
        "Not judged: whether something listens at the port, and what a firewall on the host lets through.",
        "Issue open; found 2026-11-22 03:00 UTC; reported not yet not due before it is reported",
        "Notified tags name ana@example.com the console: neither JIRA nor Slack is enabled "
        "reporting is false: nobody is notified",
        "Remediation waits: remediation is false: the job with --batch does nothing waits: not reported yet "
        "would revoke tcp/22 from 0.0.0.0/0 would add tcp/22 from 172.16.0.0/12 would add tcp/22 from 192.168.0.0/16",
        "Fix, with the AWS command line If the private networks 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 need these "
        f"ports, open them to those first. aws ec2 revoke-security-group-ingress --region {IRELAND} --group-id "
        f"{ids['group']} --ip-permissions "
        """'[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]'""",
    ]
    assert max(map(len, found.stdout.partition("Fix, with")[0].splitlines())) <= 80


def test_what_is_in_the_way_ends_the_path(network: Network) -> None:
    network.run()
    network.ec2.delete_route(RouteTableId=network.ids["table"], DestinationCidrBlock="0.0.0.0/0")
    found = explain(network.world, network.ids["group"])
    assert found.exit_code == 0
    assert "medium: nobody on the Internet can connect now: blocked by route table" in found.stdout
    assert f"Internet > {network.ids['table']} > NO_ROUTE_TO_DESTINATION" in found.stdout


def test_an_exemption_is_named(network: Network) -> None:
    network.world.whitelist({"group": network.ids["group"], "expires": "2099-01-01", "reason": "a jump host"})
    found = explain(network.world, network.ids["group"])
    assert "an exemption covers the whole group until 2099-01-01: a jump host" in found.stdout
    assert "unused: nothing uses it now" in found.stdout
    assert "none in the table" in found.stdout
    assert "would change nothing: exempt now: all that is exposed" in found.stdout


def test_an_issue_that_cannot_be_read_is_not_said_to_be_none(network: Network) -> None:
    network.run()
    item = {"account_id": SLAVE, "issue_id": network.ids["group"], "status": "open", "revision": 1}
    network.world.issue_table().items.put_new(item)
    found = explain(network.world, network.ids["group"])
    assert found.exit_code == 1
    assert "is not as it should be" in found.stderr
    assert "\nIssue\n  it could not be read\n" in found.stdout
    assert "waits: its issue could not be read" in found.stdout
    assert "none in the table" not in found.stdout
    assert "no issue yet" not in found.stdout


def test_an_account_that_is_not_remediated_is_named(network: Network) -> None:
    network.world.configure(remediation=True, remediation_accounts=[])
    assert "the account is not among remediation_accounts" in explain(network.world, network.ids["group"]).stdout
    network.world.configure(remediation_accounts=[SLAVE])
    found = explain(network.world, network.ids["group"]).stdout
    assert "remediation_accounts" not in found
    assert "remediation is false" not in found


def test_a_group_that_exposes_nothing(network: Network) -> None:
    fine = network.world.group("tcp/22 from 10.0.0.0/8", name="fine")
    found = explain(network.world, fine)
    assert found.exit_code == 0
    assert "not asked: the group exposes no restricted port" in found.stdout


@pytest.mark.parametrize(
    ("where", "line"),
    [
        pytest.param({"group": "sg-0123456789abcdef0"}, "there is no security group sg-0123456789abcdef0", id="group"),
        pytest.param({"account": "999999999999"}, "not among the accounts of the configuration", id="account"),
        pytest.param({"region": "eu-north-1"}, "not among the regions of the configuration", id="region"),
        pytest.param({"account": ""}, "not among the accounts of the configuration", id="account of no name"),
        pytest.param({"region": ""}, "not among the regions of the configuration", id="region of no name"),
    ],
)
def test_what_is_not_there_is_wrong_usage(network: Network, where: dict[str, str], line: str) -> None:
    found = explain(network.world, **{"group": network.ids["group"], **where})
    assert found.exit_code == 2
    assert line in found.stderr


def test_a_denied_read_is_named_and_the_rest_is_shown(network: Network) -> None:
    network.run()
    network.world.aws.refuse("DescribeNetworkAcls", Rejection("UnauthorizedOperation", 403))
    found = explain(network.world, network.ids["group"])
    assert found.exit_code == 1
    assert "high: it is not known who on the Internet can connect now" in found.stdout
    assert found.stderr.startswith("hammer: not read: network ACLs could not be read: denied: ")


def test_a_rule_whose_prefix_list_is_not_there_any_more_is_not_called_harmless(network: Network) -> None:
    ec2 = network.world.ec2()
    made = ec2.create_managed_prefix_list(
        PrefixListName="ours", MaxEntries=5, AddressFamily="IPv4", Entries=[{"Cidr": "0.0.0.0/0"}]
    )["PrefixList"]["PrefixListId"]
    group = network.world.group(f"tcp/22 from {made}", "tcp/22 from 10.0.0.0/8", name="list")
    network.world.aws.rewrites.append(
        lambda call, text: (
            re.sub(r"(?s)<prefixListSet>.*</prefixListSet>", "<prefixListSet/>", text)
            if call.operation == "DescribeManagedPrefixLists"
            else text
        )
    )
    found = explain(network.world, group)
    assert found.exit_code == 1
    assert f"not read: prefix list {made} could not be read" in found.stderr
    rules, reachability = found.stdout.split("\n\n")[1:3]
    assert rules.splitlines() == [
        "Rules",
        "  tcp/22 from 10.0.0.0/8",
        "    exposes nothing: its source has no public address, or is trusted or exempt",
        f"  tcp/22 from {made}",
        f"    not judged: prefix list {made} could not be read",
    ]
    assert reachability.endswith("not asked: nothing that could be judged exposes a restricted port")


def test_a_rule_that_is_not_understood_is_named_among_the_rules(network: Network) -> None:
    group = network.world.group("tcp/22 from 8.8.8.8/32", name="odd")
    network.world.aws.rewrites.append(lambda call, text: text.replace("<cidrIp>8.8.8.8/32</cidrIp>", "<new>1</new>"))
    found = explain(network.world, group)
    assert found.exit_code == 1
    assert "not judged: a tcp rule with an unknown source: {}" in found.stdout
    assert "nobody can connect" not in found.stdout


def test_a_prefix_list_of_aws_is_named_as_one(network: Network) -> None:
    listed = network.world.ec2().describe_managed_prefix_lists()["PrefixLists"]
    (owned, *_) = [each["PrefixListId"] for each in listed if each["OwnerId"] == "AWS"]
    group = network.world.group(f"tcp/22 from {owned}", name="of aws")
    found = explain(network.world, group)
    assert found.exit_code == 0
    assert "exposes nothing: its prefix list is one of AWS" in found.stdout


def test_a_group_of_another_account_is_explained_there(network: Network) -> None:
    shared = network.ids["group"]
    network.world.aws.rewrites.append(
        lambda call, text: text.replace(f"<ownerId>{SLAVE}</ownerId>", f"<ownerId>{OTHER}</ownerId>")
    )
    found = explain(network.world, shared)
    assert found.exit_code == 2
    assert f"{shared} is a group of account {OTHER}, which shares it with {SLAVE}" in found.stderr


def test_nobody_is_asked_unless_told_to(network: Network) -> None:
    network.run()
    explain(network.world, network.ids["group"])
    assert not [name for name in network.world.aws.operations("ec2") if "Insights" in name]


PATH = Path("eni-1", "instance i-1", "54.1.1.1", Verdict.INTERNET, ("igw-1", "rtb-1", "acl-1", "eni-1"))


class Analyzer:
    """EC2's Reachability Analyzer, which answers after a while."""

    def __init__(self, answer: Mapping[str, Any], *, running: int = 1) -> None:
        self._answers = [{"Status": "running"}] * running + [dict(answer)]
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments))
            if name == "describe_network_insights_analyses":
                return {"NetworkInsightsAnalyses": [self._answers.pop(0)]}
            return {
                "NetworkInsightsPath": {"NetworkInsightsPathId": "nip-1"},
                "NetworkInsightsAnalysis": {"NetworkInsightsAnalysisId": "nia-1"},
            }

        return call


def test_aws_is_asked_about_the_same_path_and_nothing_is_left_behind() -> None:
    analyzer, slept = Analyzer({"Status": "succeeded", "NetworkPathFound": True}), list[float]()
    assert analyze(analyzer, PATH, ("tcp", 22), slept.append) == Asked(True)
    assert analyzer.calls[0] == (
        "create_network_insights_path",
        {"Source": "igw-1", "Destination": "eni-1", "Protocol": "tcp", "DestinationPort": 22},
    )
    assert [name for name, _ in analyzer.calls[-2:]] == [
        "delete_network_insights_analysis",
        "delete_network_insights_path",
    ]
    assert slept == [5]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            {"Status": "succeeded", "NetworkPathFound": False, "Explanations": [{"ExplanationCode": "X"}, {}]},
            Asked(False, ("X",)),
            id="not reachable",
        ),
        pytest.param({"Status": "failed", "StatusMessage": "no luck"}, Asked(None, ("no luck",)), id="failed"),
    ],
)
def test_what_aws_may_answer(answer: dict[str, Any], expected: Asked) -> None:
    assert analyze(Analyzer(answer, running=0), PATH, ("tcp", 22), lambda _: None) == expected


def test_no_answer_in_time_is_none_and_leaves_nothing_behind() -> None:
    analyzer = Analyzer({"Status": "running"}, running=60)
    assert analyze(analyzer, PATH, None, lambda _: None) == Asked(None, ("no answer in time",))
    assert analyzer.calls[-1][0] == "delete_network_insights_path"


def test_a_question_that_fails_leaves_no_path_behind() -> None:
    class Failing(Analyzer):
        def start_network_insights_analysis(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "StartNetworkInsightsAnalysis")

    analyzer = Failing({})
    with pytest.raises(ClientError):
        analyze(analyzer, PATH, ("tcp", 22), lambda _: None)
    assert [name for name, _ in analyzer.calls] == ["create_network_insights_path", "delete_network_insights_path"]


def test_a_path_without_a_gateway_is_not_asked_about() -> None:
    analyzer = Analyzer({})
    through = Path("eni-1", "instance i-1", "54.1.1.1", Verdict.BLOCKED, ("rtb-1",))
    assert analyze(analyzer, through, ("tcp", 22), lambda _: None).found is None
    assert analyzer.calls == []


def test_both_answers_are_shown(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    network.run()
    monkeypatch.setattr("hammer.explain.analyze", lambda *_: Asked(False, ("NO_ROUTE_TO_DESTINATION",)))
    found = explain(network.world, network.ids["group"], "--ask-aws")
    text = " ".join(found.stdout.split())
    assert "AWS says not reachable (NO_ROUTE_TO_DESTINATION); Hammer says internet" in text
    assert found.stderr == "hammer: asking AWS about 1 paths: 0.10 $\n"
    assert json.loads((network.world.folder / "config.json").read_text())  # the configuration was not touched


@pytest.mark.parametrize("has_backup", [True, False])
def test_what_is_left_of_an_interrupted_change_is_in_scope(world: World, *, has_backup: bool) -> None:
    group = world.group("tcp/22 from 128.0.0.0/1")
    world.describe()
    (described,) = world.ec2().describe_security_groups(GroupIds=[group])["SecurityGroups"]
    (rule,) = [
        each
        for each in world.ec2().describe_security_group_rules()["SecurityGroupRules"]
        if each["GroupId"] == group and not each["IsEgress"]
    ]
    halves = [rule, {**rule, "SecurityGroupRuleId": "sgr-0", "CidrIpv4": "0.0.0.0/1"}]
    key = f"security_groups/{SLAVE}/{IRELAND}/{group}_20261122T030000.000000Z.json"
    backup = {**described, "hammer": {"kind": "remediation", "rules": halves, "add": [], "revoke": []}}
    config = json.loads((world.folder / "config.json").read_text())
    config["aws"]["s3_backup_bucket"] = "hammer-backups"
    (world.folder / "config.json").write_text(json.dumps(config))
    s3 = _main_client("s3", world.aws.endpoint)
    s3.create_bucket(Bucket="hammer-backups", CreateBucketConfiguration={"LocationConstraint": IRELAND})
    if has_backup:
        s3.put_object(Bucket="hammer-backups", Key=key, Body=json.dumps(backup, default=str))
    journal = {"kind": "remediation", "step": "revoking", "backup": key, "add": [], "revoke": []}
    world.set(group, remediation_details={"journal": journal})
    found = " ".join(explain(world, group).stdout.split())
    if has_backup:
        assert "what it was begun for is in scope until it is closed" in found
        assert "would revoke tcp/22 from 128.0.0.0/1" in found
    else:
        assert "a change of the group is not complete, and its backup cannot be used: there is no backup" in found
        assert "would change nothing: open_partly, and remediation_scope is open_completely" in found
