"""The sample, upgraded from the previous release by real Terraform on an emulated AWS, driven by deployment/README.md.

One test, because making and destroying a deployment takes a minute: its parts are subtests, in the README's order.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from deployment import cost, package
from library.aws.conditional_writes import TABLE_DEFINITION
from tests.deployment.deployed import ACCOUNT, BUCKET, REGION, SLAVES, Deployed
from tests.deployment.emulator import emulated_aws
from tests.deployment.old_provider import swapped
from tests.deployment.service_requests import ServiceRequest, admits
from tests.deployment.terraform import (
    TERRAFORM_CODE,
    Terraform,
    cli_configuration,
    needs_terraform,
    point_providers_at,
)
from tests.deployment.walk import NOT_RUN, README, Reader
from tests.standins.jira import JiraStandIn

pytestmark = needs_terraform

TABLE = "hammer-security-groups-unrestricted"
SCANS = f"arn:aws:sns:{REGION}:{ACCOUNT}:hammer-describe-security-groups"
FINDINGS = f"arn:aws:sns:{REGION}:{ACCOUNT}:hammer-inspector-findings"
# The host may write to its log group, not make one (library/jobs/host_logs.py).
MAY_BE_REFUSED = {
    ("logs", "CreateLogGroup"),
    ("cloudformation", "DescribeStackResources"),  # asked for where allow_source is not set, and named then
}
RELEASE_0_1_0 = Path(__file__).parents[1] / "data" / "terraform-0.1.0"
BUSES = ("default", "hammer-events")
INSPECTOR_EVENT = Path(__file__).parents[1] / "data" / "inspector2-event.json"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with emulated_aws() as url:
        # Without Docker moto cannot run a function; without this, each notification of one would try.
        requests.post(f"{url}/moto-api/config", json={"lambda": {"use_docker": False}}, timeout=10).raise_for_status()
        yield url


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make package` builds, for this machine."""
    dist = tmp_path_factory.mktemp("dist")
    package.build_functions(dist, package.TARGETS["here"])
    # The instance never boots, so this may be anything; test_host_bundle.py builds the real one and runs it.
    (dist / "hammer-host-arm64.zip").write_bytes(b"a bundle")
    # What version 0.1.0 deployed instead of the bundle.
    (dist / "hammer-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
    (dist / "host.lock").write_bytes(b"a lock")
    return dist


def put_code(source: Path, deployment: Path, *, all_of_them: bool) -> None:
    """Make a folder the deployment folder of a release, changed for the old provider. Its state stays."""
    state = deployment / "terraform" / "accounts" / "sample" / "terraform.tfstate"
    kept = state.read_bytes() if state.exists() else b""
    shutil.rmtree(deployment, ignore_errors=True)
    deployment.mkdir(parents=True)
    swapped(source / "terraform", deployment / "terraform", all_of_them=all_of_them)
    if source == RELEASE_0_1_0:
        bucket = deployment / "terraform" / "modules" / "master" / "bucket.tf"
        bucket.write_text(bucket.read_text("utf-8").replace("local.key_arn", "aws_kms_key.hammer.arn"), "utf-8")
    for data in ("policies", "cloudformation", "events"):
        if (source / data).exists():
            shutil.copytree(source / data, deployment / data)
    if kept:
        state.write_bytes(kept)


@pytest.fixture(scope="module")
def terraform(aws: str, dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """The sample as version 0.1.0 deployed it, and the code of today on its state: not yet applied."""
    folder = tmp_path_factory.mktemp("clone")
    sample = folder / "deployment" / "terraform" / "accounts" / "sample"
    terraform = Terraform(sample, {"TF_CLI_CONFIG_FILE": str(cli_configuration(folder))})
    subnet = Deployed(aws, folder).client("ec2").describe_subnets()["Subnets"][0]
    variables = {
        "package_folder": str(dist),
        "alarm_emails": ["security@example.com"],
        "host": {"vpc_id": subnet["VpcId"], "subnet_id": subnet["SubnetId"]},
    }
    for source in (RELEASE_0_1_0, TERRAFORM_CODE.parent):
        put_code(source, folder / "deployment", all_of_them=source != RELEASE_0_1_0)
        point_providers_at(aws, sample, ["slave1", "slave2"])
        if source != RELEASE_0_1_0:
            (sample / "immediate_override.tf").write_text(_IMMEDIATE, "utf-8")
        (sample / "test.auto.tfvars.json").write_text(json.dumps(variables), "utf-8")
        if source == RELEASE_0_1_0:
            terraform.run("init", "-no-color")
            terraform.run("apply", "-auto-approve", "-no-color")
    return terraform


_IMMEDIATE = """
module "master" {
  immediate_remediation = true
}
"""


def write_configuration(terraform: Terraform, jira_server: str) -> None:
    """What the README has its reader write before the first ticket, and automatic remediation, for the tests of it.

    In one account a look asks for a run at once: about groups that nothing uses, which are `low`.
    """
    folder = terraform.folder / "config"
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["secgrp_unrestricted_access"] |= {"reporting": True, "remediation": True}
    config["secgrp_unrestricted_access"]["remediation_immediate"] = {SLAVES[1]: ["low"]}
    config["jira"] |= {"enabled": True, "server": jira_server}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    owners = json.loads((folder / "ticket_owners.json").read_text("utf-8"))
    (folder / "ticket_owners.json").write_text(json.dumps({**owners, "jira_project": "SEC"}), "utf-8")


def refused(calls: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """The service and operation of each call that the policies did not allow."""
    return {(call["service"], call["operation"]) for call in calls if not call["allowed"]}


def kept_by_an_upgrade(deployed: Deployed) -> dict[str, Any]:
    """What an upgrade must not make anew: data, the key, secrets, and what other accounts or people name."""
    bucket_objects = deployed.client("s3").list_object_versions(Bucket=BUCKET).get("Versions", [])
    table = deployed.client("dynamodb").describe_table(TableName=TABLE)["Table"]
    aliases = deployed.client("kms").list_aliases()["Aliases"]
    logs = deployed.client("logs").describe_log_groups()["logGroups"]
    return {
        "table": table["CreationDateTime"],
        "configuration": [
            (item["Key"], item["VersionId"]) for item in bucket_objects if item["Key"].startswith("config/")
        ],
        "key": [alias["TargetKeyId"] for alias in aliases if alias["AliasName"] == "alias/hammer"],
        "roles": {
            (account, role["RoleName"]): role["RoleId"]
            for account in (ACCOUNT, *SLAVES)
            for role in deployed.client("iam", account).list_roles()["Roles"]
            if not role["RoleName"].endswith(("-events", "-initiate", "-filter"))
        },
        "topics": sorted(topic["TopicArn"] for topic in deployed.client("sns").list_topics()["Topics"]),
        "logs": [
            (group["logGroupName"], group["creationTime"]) for group in logs if "receive" not in group["logGroupName"]
        ],
    }


def left_over(deployed: Deployed) -> list[str]:
    """What is still there of the deployment, in every account and of every kind that it makes."""
    found = [f"table {name}" for name in deployed.client("dynamodb").list_tables()["TableNames"]]
    found += [f"bucket {bucket['Name']}" for bucket in deployed.client("s3").list_buckets()["Buckets"]]
    found += [f"function {each['FunctionName']}" for each in deployed.client("lambda").list_functions()["Functions"]]
    found += [
        f"queue {url}" for url in deployed.client("sqs").list_queues().get("QueueUrls", []) if "listener" not in url
    ]
    found += [f"topic {topic['TopicArn']}" for topic in deployed.client("sns").list_topics()["Topics"]]
    found += [
        f"log group {each['logGroupName']}" for each in deployed.client("logs").describe_log_groups()["logGroups"]
    ]
    alarms = deployed.client("cloudwatch").describe_alarms()["MetricAlarms"]
    found += [f"alarm {alarm['AlarmName']}" for alarm in alarms]
    buses = deployed.client("events").list_event_buses()["EventBuses"]
    found += [f"bus {bus['Name']}" for bus in buses if bus["Name"] != "default"]
    for account in (ACCOUNT, *SLAVES):
        found += [f"role {each['RoleName']}" for each in deployed.client("iam", account).list_roles()["Roles"]]
        found += [f"rule {rule['Name']}" for rule in deployed.client("events", account).list_rules()["Rules"]]
    return found


def open_group(deployed: Deployed, account: str, region: str, port: int) -> str:
    """A new group that lets everybody reach a port."""
    ec2 = deployed.client("ec2", account, region)
    group: str = ec2.create_security_group(GroupName=f"open-{port}", Description="for a test")["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    return group


def test_the_readme_leads_from_a_clone_to_a_restored_group_and_back_to_nothing(
    aws: str, terraform: Terraform, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    deployed, jira = Deployed(aws, tmp_path), JiraStandIn(cloud=True)
    environment = {
        **terraform.environment,
        **deployed.role_keys(f"arn:aws:iam::{ACCOUNT}:role/Administrator"),
        **{"AWS_ENDPOINT_URL": aws, "AWS_DEFAULT_REGION": REGION, "CHECKPOINT_DISABLE": "1"},
        **{"DEPLOYED_FOLDER": str(tmp_path), "PYTHONWARNINGS": "ignore"},
    }
    reader = Reader(terraform.folder.parents[3], deployed, environment)
    reader.values = {"bucket": BUCKET, "user": jira.secret["username"], "token": jira.secret["api_token"]}
    before = kept_by_an_upgrade(deployed)
    install(reader)
    with subtests.test("an upgrade keeps data, the key, and what others name"):
        assert kept_by_an_upgrade(deployed) == before
    with subtests.test("a second plan changes nothing"):
        check_that_a_second_plan_changes_nothing(terraform)
    with subtests.test("the table is the one that the code defines"):
        check_the_table(deployed)
    with subtests.test("the roles of the slaves"):
        check_whom_the_slaves_trust(deployed)
    with subtests.test("every queue, function and rule has an alarm"):
        check_the_alarms(deployed)
    with subtests.test("services may send what they send, and nobody else"):
        check_what_services_may(deployed)
    with subtests.test("the README's first scan finds the open groups of every account"):
        check_the_first_issues(deployed, reader)
    with subtests.test("an event in a slave leads to an issue and its end"):
        check_an_event(deployed)
    with subtests.test("an Inspector finding reaches the topic, less what is expected"):
        check_an_inspector_finding(deployed)
    with jira.running():
        with subtests.test("the README's first ticket, remediation and restore"):
            check_from_the_first_ticket_to_the_restore(deployed, terraform, reader, jira)
        with subtests.test("a look has the host remediate at once"):
            check_that_a_look_has_the_host_remediate_at_once(deployed)
    with subtests.test("a call that the policies do not allow is refused"):
        check_that_the_policies_are_enforced(deployed)
    with subtests.test("a second Hammer in the account"):
        check_a_second_hammer(aws, terraform)
    # One check takes the host's right to the table away; no other call of any role may have been refused.
    assert {each for each in refused(deployed.calls()) if each[0] != "dynamodb"} <= MAY_BE_REFUSED
    assert "Apply complete" in reader.follow("Remove it")
    assert left_over(deployed) == []
    assert reader.at_the_end()


def test_every_command_that_is_not_run_is_in_the_readme() -> None:
    text = README.read_text("utf-8")
    assert [command for command in NOT_RUN if command not in text] == []


def install(reader: Reader) -> None:
    """From nothing to what is deployed."""
    reader.follow("Choose an example")
    reader.follow("From nothing to the first issue")  # the package
    assert "is valid." in reader.follow("From nothing to the first issue")
    assert "Apply complete" in reader.follow("From nothing to the first issue")


def check_that_a_second_plan_changes_nothing(terraform: Terraform) -> None:
    code, out = terraform.run("plan", "-detailed-exitcode", "-no-color", accepted=(0, 2))
    assert code == 0, out


def check_the_alarms(deployed: Deployed) -> None:
    alarms = deployed.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]

    def watched(metric: str, dimension: str) -> set[str]:
        found = [each for each in alarms if each.get("MetricName") == metric]
        return {each["Value"] for alarm in found for each in alarm["Dimensions"] if each["Name"] == dimension}

    queues = {url.rpartition("/")[2] for url in deployed.client("sqs").list_queues()["QueueUrls"]}
    dead_letters = {name for name in queues if name.endswith("-dead-letters")}
    assert watched("ApproximateNumberOfMessagesVisible", "QueueName") == dead_letters
    assert watched("ApproximateAgeOfOldestMessage", "QueueName") == queues - dead_letters
    functions = {each["FunctionName"] for each in deployed.client("lambda").list_functions()["Functions"]}
    assert watched("Errors", "FunctionName") == functions
    events = deployed.client("events")
    rules = {(bus, rule["Name"]) for bus in BUSES for rule in events.list_rules(EventBusName=bus)["Rules"]}
    assert watched("FailedInvocations", "RuleName") == {name for _, name in rules}
    with_dead_letters = {
        rule
        for bus, rule in rules
        for target in events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"]
        if "DeadLetterConfig" in target
    }
    assert watched("InvocationsFailedToBeSentToDLQ", "RuleName") == with_dead_letters
    # What is paid for: an alarm, or each metric of one's metric math. Two are for the queues of immediate mode, whose
    # severities the configuration does not have yet.
    billed = sum(len([query for query in alarm.get("Metrics", []) if "MetricStat" in query]) or 1 for alarm in alarms)
    assert billed == sum(cost.ALARM_METRICS.values()) + 2
    assert len(deployed.client("cloudwatch").list_dashboards()["DashboardEntries"]) == 1


def check_what_services_may(deployed: Deployed) -> None:
    """The policies of queues and of the key, with what each service is documented to tell of a request."""
    sqs, kms = deployed.client("sqs"), deployed.client("kms")
    (key,) = [alias["TargetKeyId"] for alias in kms.list_aliases()["Aliases"] if alias["AliasName"] == "alias/hammer"]
    written = re.search(r"(?ms)^```json\n(.*?)^```$", README.read_text("utf-8"))
    assert written
    documented = json.loads(written[1].replace("<account>", ACCOUNT).replace("<region>", REGION))
    of_key = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    assert of_key["Statement"][1:] == documented
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/hammer-events/hammer-receive-security-group-events"
    not_aws = f"arn:aws:events:{REGION}:{SLAVES[0]}:rule/anything"
    for sender, queue, source in (
        ("sns", "hammer-describe-security-groups", SCANS),
        ("sns", "hammer-describe-security-groups-dead-letters", SCANS),
        ("events", "hammer-receive-security-group-events", rule),
        ("events", "hammer-receive-security-group-events-dead-letters", rule),
        ("events", "hammer-initiate-security-groups-dead-letters", rule),
    ):
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        request = ServiceRequest(sender, "sqs:SendMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}", source)
        assert admits(json.loads(asked), request), (sender, queue)
        assert not admits(json.loads(asked), replace(request, source=not_aws)), (sender, queue)
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            assert admits(of_key, replace(request, action=action, resource=key)), (sender, action)
    alarm = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:hammer-not-scanned"
    assert admits(of_key, ServiceRequest("cloudwatch", "kms:GenerateDataKey", key, alarm))
    assert not admits(
        of_key, ServiceRequest("cloudwatch", "kms:GenerateDataKey", key, alarm.replace(ACCOUNT, SLAVES[0]))
    )
    logs = ServiceRequest(
        "logs.eu-west-1", "kms:GenerateDataKey", key, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/x"
    )
    assert admits(of_key, logs)
    assert not admits(of_key, replace(logs, source=logs.source.replace("/aws/x", "/others")))


def check_the_table(deployed: Deployed) -> None:
    table = deployed.client("dynamodb").describe_table(TableName=TABLE)["Table"]

    def by_name(definitions: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        return sorted(definitions, key=lambda definition: str(definition[key]))

    assert table["KeySchema"] == TABLE_DEFINITION["KeySchema"]
    assert by_name(table["AttributeDefinitions"], "AttributeName") == by_name(
        TABLE_DEFINITION["AttributeDefinitions"], "AttributeName"
    )
    indexes = [
        {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        for index in table["LocalSecondaryIndexes"]
    ]
    assert by_name(indexes, "IndexName") == by_name(TABLE_DEFINITION["LocalSecondaryIndexes"], "IndexName")
    ttl = deployed.client("dynamodb").describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def check_the_first_issues(deployed: Deployed, reader: Reader) -> None:
    expected = {
        (ACCOUNT, open_group(deployed, ACCOUNT, "eu-west-1", 22)),
        (SLAVES[0], open_group(deployed, SLAVES[0], "us-east-1", 3389)),
        (SLAVES[1], open_group(deployed, SLAVES[1], "eu-west-1", 5432)),
    }
    open_group(deployed, SLAVES[1], "us-east-1", 8080)  # not restricted
    assert scheduled_functions(deployed) == ["hammer-initiate-security-groups"]

    assert '{"published": 6}' in reader.follow("From nothing to the first issue")
    shown = reader.follow("From nothing to the first issue")

    assert [group for _, group in expected if group not in shown] == []
    assert "Hammer itself works: every region was seen whole" in shown
    assert len(re.findall(r"(?m)^ (?:master|slave[12]) +(?:eu-west-1|us-east-1) +complete ", shown)) == 6
    items = deployed.client("dynamodb").scan(TableName=TABLE)["Items"]
    issues = {
        (item["account_id"]["S"], item["issue_id"]["S"]) for item in items if item["issue_id"]["S"].startswith("sg-")
    }
    assert expected <= issues
    assert {item["status"]["S"] for item in items if (item["account_id"]["S"], item["issue_id"]["S"]) in expected} == {
        "open"
    }
    assert issues - expected == set()


def check_an_event(deployed: Deployed) -> None:
    """The whole way: the slave's default bus, its rule, the bus here, the queue, and the functions as their roles."""
    sqs = deployed.client("sqs")
    queue = sqs.get_queue_url(QueueName="hammer-receive-security-group-events")["QueueUrl"]
    assert sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["DelaySeconds"])["Attributes"] == {
        "DelaySeconds": "15"
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "0"})
    group = open_group(deployed, SLAVES[1], REGION, 23)

    def delivered_to(name: str, **more: Any) -> dict[str, Any]:
        detail = {
            "eventVersion": "1.09",
            "eventSource": "ec2.amazonaws.com",
            "eventName": name,
            "eventTime": "2026-11-24T08:00:00Z",
            "eventID": "11111111-2222-3333-4444-555555555555",
            "awsRegion": REGION,
            "sourceIPAddress": "203.0.113.7",
            "userAgent": "aws-cli/2.15",
            "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::{SLAVES[1]}:user/ana", "accountId": SLAVES[1]},
            "requestParameters": {
                "groupId": group,
                "ipPermissions": {
                    "items": [
                        {
                            "ipProtocol": "tcp",
                            "fromPort": 23,
                            "toPort": 23,
                            "groups": {},
                            "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]},
                            "ipv6Ranges": {},
                            "prefixListIds": {},
                        }
                    ]
                },
            },
            "responseElements": {"_return": True},
            **more,
        }
        entry = {"Source": "aws.ec2", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail)}
        assert deployed.client("events", SLAVES[1]).put_events(Entries=[entry])["FailedEntryCount"] == 0
        scans = deployed.work_off("hammer-receive-security-group-events")
        deployed.work_off("hammer-describe-security-groups")
        key = {"account_id": {"S": SLAVES[1]}, "issue_id": {"S": group}}
        return {"looks": scans, **deployed.client("dynamodb").get_item(TableName=TABLE, Key=key).get("Item", {})}

    # Calls that failed, and calls about nothing that matters, do not even leave the slave.
    assert delivered_to("AuthorizeSecurityGroupIngress", errorCode="Client.UnauthorizedOperation") == {"looks": 0}
    assert delivered_to("DescribeSecurityGroups") == {"looks": 0}
    item = delivered_to("AuthorizeSecurityGroupIngress")
    assert (item["looks"], item["status"]) == (1, {"S": "open"})
    assert item["opened_by"]["M"]["principal"] == {"S": f"arn:aws:iam::{SLAVES[1]}:user/ana"}
    rule: Any = {"IpProtocol": "tcp", "FromPort": 23, "ToPort": 23, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    deployed.client("ec2", SLAVES[1]).revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
    assert delivered_to("RevokeSecurityGroupIngress")["status"] == {"S": "resolved"}


def scheduled_functions(deployed: Deployed) -> list[str]:
    """The functions that the schedule starts."""
    targets = deployed.client("events").list_targets_by_rule(Rule="hammer-initiate-security-groups")["Targets"]
    return [target["Arn"].rpartition(":")[2] for target in targets]


def check_an_inspector_finding(deployed: Deployed) -> None:
    queue = deployed.listen(FINDINGS)
    targets = deployed.client("events").list_targets_by_rule(
        Rule="hammer-filter-inspector-findings", EventBusName="hammer-events"
    )["Targets"]
    (function,) = [target["Arn"].rpartition(":")[2] for target in targets]

    deployed.invoke(function, json.loads(INSPECTOR_EVENT.read_text("utf-8")))

    assert len(deployed.delivered_to(queue)) == 1


def check_that_the_policies_are_enforced(deployed: Deployed) -> None:
    """The jobs below run with this control, so that a permission that is missing fails them."""
    iam = deployed.client("iam")
    role, policy = "hammer-cloudsec-master-ec2", "host-in-main"
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    less = [statement for statement in document["Statement"] if statement["Sid"] != "KeepIssues"]
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps({**document, "Statement": less}))
    try:
        done = deployed.run_job("remediation.clean_security_groups", "--batch")
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
    assert done.returncode == 1
    assert "not authorized to perform dynamodb:" in done.stderr


def check_from_the_first_ticket_to_the_restore(
    deployed: Deployed, terraform: Terraform, reader: Reader, jira: JiraStandIn
) -> None:
    group = open_group(deployed, SLAVES[0], REGION, 3306)
    ec2 = deployed.client("ec2", SLAVES[0], REGION)
    earlier = len(deployed.calls())

    def scan_region() -> None:
        target = {"account_id": SLAVES[0], "account_name": "slave1", "region": REGION}
        deployed.client("sns").publish(TopicArn=SCANS, Message=json.dumps(target))
        assert deployed.work_off("hammer-describe-security-groups") == 1

    def sources() -> set[str]:
        (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        return {source["CidrIp"] for rule in found["IpPermissions"] for source in rule["IpRanges"]}

    def stored() -> dict[str, Any]:
        key = {"account_id": {"S": SLAVES[0]}, "issue_id": {"S": group}}
        item: dict[str, Any] = deployed.client("dynamodb").get_item(TableName=TABLE, Key=key)["Item"]
        return item

    scan_region()
    assert '"InstanceId": "i-' in reader.follow("By hand on the host")
    assert f"s3://{BUCKET}/config is valid." in reader.follow("By hand on the host")
    write_configuration(terraform, jira.url)
    assert "Apply complete" in reader.follow("The first ticket")
    assert "hammer/jira" in reader.follow("The first ticket")
    reported = reader.follow("The first ticket")
    assert "would tell: new: " in reported
    assert group in reported
    assert [ticket.status for ticket in jira.tickets.values() if group in ticket.fields["summary"]] == ["To Do"]
    reader.values |= {"account": SLAVES[0], "region": REGION, "group": group}
    assert f"{group} open-3306" in reader.follow("The first remediation and restore")
    assert sources() == {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
    scan_region()
    assert stored()["status"] == {"S": "resolved"}
    reader.follow("The first remediation and restore")
    assert sources() == {"0.0.0.0/0"}
    assert "M" in stored()["remediation_details"]["M"]["restored"]
    reader.follow("The first remediation and restore")
    assert stored()["remediation_details"]["M"]["restored"] == {"NULL": True}
    backups = deployed.client("s3").list_objects_v2(
        Bucket=BUCKET, Prefix=f"security_groups/{SLAVES[0]}/{REGION}/{group}_"
    )
    assert backups["KeyCount"] >= 1
    calls = deployed.calls()[earlier:]
    assert {call["role"].rpartition("/")[2] for call in calls} == {
        "hammer-cloudsec-crossact-ec2",
        "hammer-cloudsec-crossact-id",
        "hammer-cloudsec-master-ec2",
        "hammer-cloudsec-master-id",
    }
    assert refused(calls) <= MAY_BE_REFUSED


def check_that_a_look_has_the_host_remediate_at_once(deployed: Deployed) -> None:
    """Immediate mode from the function, as its role, over the queue to the host, as its role."""
    sqs = deployed.client("sqs")
    url = sqs.get_queue_url(QueueName="hammer-immediate-remediation")["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    group = open_group(deployed, SLAVES[1], REGION, 1433)
    target = {"account_id": SLAVES[1], "account_name": "slave2", "region": REGION, "group_ids": [group]}
    deployed.client("sns").publish(TopicArn=SCANS, Message=json.dumps(target))
    deployed.work_off("hammer-describe-security-groups")
    done = deployed.run_job("hammer", "immediate", "--wait", "0", environment={"HAMMER_IMMEDIATE_QUEUE": url})
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 group asked for, 0 left for later"), done.stderr
    (found,) = deployed.client("ec2", SLAVES[1]).describe_security_groups(GroupIds=[group])["SecurityGroups"]
    sources = {source["CidrIp"] for rule in found["IpPermissions"] for source in rule["IpRanges"]}
    assert sources == {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}


def check_whom_the_slaves_trust(deployed: Deployed) -> None:
    for account in SLAVES:
        check_whom_a_slave_trusts(deployed, account)


def check_whom_a_slave_trusts(deployed: Deployed, account: str) -> None:
    roles = deployed.client("iam", account).list_roles()["Roles"]
    freshness = {
        role["RoleName"]: role["AssumeRolePolicyDocument"]["Statement"]
        for role in roles
        if role["RoleName"] != "hammer-cloudsec-crossact-events"
    }
    main = f"arn:aws:iam::{ACCOUNT}"
    asks = {"StringEquals": {"sts:ExternalId": "change-this-shared-secret"}}
    assert freshness == {
        name: [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"AWS": f"{main}:root"},
                "Condition": {"ArnEquals": {"aws:PrincipalArn": [f"{main}:role/{each}" for each in trusted]}, **asks},
            }
        ]
        for name, trusted in {
            "hammer-cloudsec-crossact-id": ["hammer-cloudsec-master-id", "hammer-cloudsec-master-filter"],
            "hammer-cloudsec-crossact-ec2": ["hammer-cloudsec-master-ec2"],
        }.items()
    }


_OVERRIDE = """
module "master" {
  prefix                   = "second"
  iam_path                 = "/security/"
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  kms_key_arn              = "arn:aws:kms:eu-west-1:123456789012:key/of-our-own"
  backup_lock_days         = 30
  backup_retention_days    = 400
}
"""
_NAMES = ("name", "function_name", "alarm_name", "dashboard_name", "alias")


def check_a_second_hammer(aws: str, terraform: Terraform) -> None:
    """It has names, a path, a boundary and a key of its own."""
    example = Terraform(terraform.folder.parent / "one-account", terraform.environment)
    point_providers_at(aws, example.folder, [])
    (example.folder / "second_override.tf").write_text(_OVERRIDE, "utf-8")
    variables = terraform.folder / "test.auto.tfvars.json"
    (example.folder / variables.name).write_text(variables.read_text("utf-8"), "utf-8")
    example.run("init", "-no-color")
    example.run("plan", "-no-color", "-out=second.tfplan")
    _, shown = example.run("show", "-json", "second.tfplan")
    planned = list(planned_resources(json.loads(shown)["planned_values"]["root_module"]))
    # The configuration names the table and the bucket; everything else begins with the prefix.
    kinds = {"aws_dynamodb_table", "aws_cloudwatch_log_metric_filter", "aws_iam_role_policy"}
    names = {
        each["values"][key]
        for each in planned
        if each["type"] not in kinds
        for key in _NAMES
        if each["values"].get(key)
    }
    assert len(names) > 30
    assert [name for name in names if "second-" not in name and name != "second"] == []
    roles = [each["values"] for each in planned if each["type"] == "aws_iam_role"]
    assert len(roles) == 5
    assert {(role["path"], role["permissions_boundary"]) for role in roles} == {
        ("/security/", "arn:aws:iam::123456789012:policy/boundary")
    }
    assert not [each for each in planned if each["type"] in ("aws_kms_key", "aws_kms_alias")]
    queues = [each["values"] for each in planned if each["type"] == "aws_sqs_queue"]
    assert {queue["kms_master_key_id"] for queue in queues} == {"arn:aws:kms:eu-west-1:123456789012:key/of-our-own"}


def planned_resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The resources of a module in a plan, and of the modules in it."""
    yield from ({"values": {}, **resource} for resource in module.get("resources", []) if resource["mode"] == "managed")
    for child in module.get("child_modules", []):
        yield from planned_resources(child)
