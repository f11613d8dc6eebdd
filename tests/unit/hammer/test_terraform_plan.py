"""What a Terraform plan would make: groups, rules of their own, prefix lists, modules, and what is not known yet."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from hammer.formats import Format, pieces
from hammer.listing.issue import Listing, default_context
from hammer.planned import Judge, scan_plan_file
from hammer.terraform_plan_references import PlannedResource
from library.jobs.command_line import NotThereError, WrongUsageError
from library.network.addresses import AddressSet
from library.network.ports import PortSet
from library.security_groups.exposure import Evaluator

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def judged(folder: Path, plan: Any, *groups: str) -> Listing:
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    judge = Judge(Evaluator(PortSet.parse([22]), AddressSet()), default_context(date(2026, 11, 29)))
    return scan_plan_file(str(path), judge, groups, NOW)


def group(address: str = "aws_security_group.web", ingress: Any = (), unknown: Any = None, **values: Any) -> Any:
    return resource(address, {"name": "web", "ingress": list(ingress), **values}, unknown)


def resource(address: str, values: Any, unknown: Any = None, index: Any = None) -> Any:
    kind = next(part for part in address.split(".") if part.startswith("aws_"))
    found = {"address": address, "mode": "managed", "type": kind, "values": values, "unknown": unknown or {}}
    return found if index is None else {**found, "index": index}


def rule(cidrs: Any = ("0.0.0.0/0",), port: int = 22, **values: Any) -> Any:
    return {"protocol": "tcp", "from_port": port, "to_port": port, "cidr_blocks": list(cidrs), **values}


def plan(*resources: Any, configuration: Any = None, child: Any = None) -> Any:
    changes = [
        {"address": each["address"], "change": {"actions": ["create"], "after_unknown": each.pop("unknown")}}
        for each in [*resources, *(child or ())]
    ]
    root: dict[str, Any] = {"resources": list(resources)}
    if child:
        root["child_modules"] = [{"address": "module.net", "resources": list(child)}]
    return {
        "format_version": "1.2",
        "planned_values": {"root_module": root},
        "resource_changes": changes,
        "configuration": {"root_module": configuration or {}},
    }


def found(listing: Listing) -> dict[str, tuple[str, list[str]]]:
    return {
        issue.group_id: (issue.details.status, [perm.cidr for perm in issue.details.perms]) for issue in listing.issues
    }


def reasons(listing: Listing) -> list[str]:
    return [row.reason for row in listing.failed]


def config_of(address: str, **references: Any) -> Any:
    return {"address": address, "expressions": {key: {"references": value} for key, value in references.items()}}


def test_inline_rules(tmp_path: Path) -> None:
    listing = judged(tmp_path, plan(group(ingress=[rule(["192.168.1.0/0"]), rule(port=443)])))
    assert found(listing) == {"aws_security_group.web": ("open_completely", ["0.0.0.0/0"])}
    assert listing.scanned[0].item() == {"account_id": "", "region": "", "groups": 1, "whitelisted": 0}
    assert reasons(listing) == []


def test_a_deposed_object_does_not_hide_what_is_unknown_of_its_successor(tmp_path: Path) -> None:
    """A replacement that failed leaves a deposed object, whose change has the same address and comes after."""
    configuration = {"resources": [config_of("aws_security_group.web", ingress=["var.rules"])]}
    replaced = plan(resource("aws_security_group.web", {"name": "web"}, {"ingress": True}), configuration=configuration)
    gone = {"address": "aws_security_group.web", "deposed": "5f6a2b1c", "change": {"actions": ["delete"]}}
    replaced["resource_changes"].append(gone)
    assert reasons(judged(tmp_path, replaced)) == ["aws_security_group.web: its ingress is known after apply"]


@pytest.mark.parametrize("kind", ["awscc_ec2_security_group", "awscc_ec2_security_group_ingress"])
def test_groups_and_rules_of_the_cloud_control_provider_are_named(tmp_path: Path, kind: str) -> None:
    other = {"address": f"{kind}.web", "mode": "managed", "type": kind, "values": {}, "unknown": {}}
    assert reasons(judged(tmp_path, plan(other))) == [f"{kind}.web: resources of the provider awscc are not judged"]


TEMPLATE = "it makes what a CloudFormation template says: judge that with --template"
CLOUD_CONTROL = "resources of Cloud Control are not judged"


@pytest.mark.parametrize(
    ("address", "values", "unknown", "expected"),
    [
        pytest.param(
            "aws_cloudformation_stack.net",
            {"template_body": "Resources: {G: {Type: AWS::EC2::SecurityGroup}}"},
            {},
            [TEMPLATE],
            id="a stack with a group",
        ),
        pytest.param(
            "aws_cloudformation_stack.net",
            {"template_url": "https://x"},
            {"template_body": True},
            [TEMPLATE],
            id="a url",
        ),
        pytest.param(
            "aws_cloudformation_stack_set.all",
            {"template_body": "Resources: {S: {Type: 'AWS::CloudFormation::Stack'}}"},
            {},
            [TEMPLATE],
            id="nested stacks",
        ),
        pytest.param(
            "aws_cloudformation_stack.net",
            {"template_body": "Transform: [Company::Network]\nResources: {}"},
            {},
            [TEMPLATE],
            id="a macro",
        ),
        pytest.param(
            "aws_cloudformation_stack.net",
            {"template_body": '{"Transform": "AWS::Serverless-2016-10-31", "Resources": {}}'},
            {},
            [],
            id="a macro of AWS that makes none",
        ),
        pytest.param(
            "aws_cloudformation_stack.net",
            {"template_body": "Parameters: {G: {Type: AWS::EC2::SecurityGroup::Id}}\nResources: {}"},
            {},
            [],
            id="a stack without a group",
        ),
        pytest.param(
            "aws_serverlessapplicationrepository_cloudformation_stack.net", {}, {}, [TEMPLATE], id="an application"
        ),
        pytest.param("aws_servicecatalog_provisioned_product.net", {}, {}, [TEMPLATE], id="a product"),
        *(
            pytest.param("aws_cloudformation_stack.net", {"template_body": body}, {}, expected, id=body)
            for body, expected in (
                ("Transform: Mine\nResources: {}", [TEMPLATE]),
                ('{"Transform": ["Mine"], "Resources": {}}', [TEMPLATE]),
                ("Transform: [AWS::Serverless-2016-10-31, Mine]\nResources: {}", [TEMPLATE]),
                ("Transform: AWS::Serverless-2016-10-31\nResources: {}", []),
                ('{"Transform": "AWS::LanguageExtensions", "Resources": {}}', []),
                ("Resources: {A: {Type: AWS::Serverless::Application}}", [TEMPLATE]),
            )
        ),
        pytest.param(
            "aws_cloudcontrolapi_resource.web",
            {"type_name": "AWS::EC2::SecurityGroupIngress"},
            {},
            [CLOUD_CONTROL],
            id="a rule of Cloud Control",
        ),
        pytest.param(
            "aws_cloudcontrolapi_resource.web", {}, {"type_name": True}, [CLOUD_CONTROL], id="anything of Cloud Control"
        ),
        pytest.param("aws_cloudcontrolapi_resource.web", {"type_name": "AWS::SQS::Queue"}, {}, [], id="a queue of it"),
    ],
)
def test_what_may_make_groups_in_another_language_is_named(
    tmp_path: Path, address: str, values: Any, unknown: Any, expected: list[str]
) -> None:
    listing = judged(tmp_path, plan(resource(address, values, unknown)))
    assert reasons(listing) == [f"{address}: {reason}" for reason in expected]


def test_halves_in_rule_resources_make_the_internet(tmp_path: Path) -> None:
    rules = [
        resource(
            f"aws_vpc_security_group_ingress_rule.{name}",
            {"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_ipv4": cidr},
            {"security_group_id": True, "id": True},
        )
        for name, cidr in (("low", "0.0.0.0/1"), ("high", "128.0.0.0/1"))
    ]
    configuration = {
        "resources": [
            config_of(each["address"], security_group_id=["aws_security_group.web.id", "aws_security_group.web"])
            for each in rules
        ]
    }
    listing = judged(tmp_path, plan(group(unknown={"ingress": True, "id": True}), *rules, configuration=configuration))
    assert found(listing) == {"aws_security_group.web": ("open_completely", ["0.0.0.0/1", "128.0.0.0/1"])}
    assert reasons(listing) == []


def test_a_rule_finds_its_group_through_variables_and_outputs_of_modules(tmp_path: Path) -> None:
    child = [
        group("module.net.aws_security_group.this[0]", unknown={"ingress": True}, name="net") | {"index": 0},
        resource("module.net.aws_security_group_rule.own[0]", rule(type="ingress"), {"security_group_id": True}, 0),
    ]
    outside = resource(
        "aws_security_group_rule.more", rule(["8.8.8.0/24"], type="ingress"), {"security_group_id": True}
    )
    egress = resource("aws_security_group_rule.out", rule(type="egress"), {"security_group_id": True})
    configuration = {
        "resources": [config_of("aws_security_group_rule.more", security_group_id=["module.net.id", "module.net"])],
        "module_calls": {
            "net": {
                "module": {
                    "outputs": {
                        "id": {
                            "expression": {"references": ["aws_security_group.this[0].id", "aws_security_group.this"]}
                        }
                    },
                    "resources": [
                        config_of("aws_security_group_rule.own", security_group_id=["aws_security_group.this[0].id"])
                    ],
                }
            }
        },
    }
    listing = judged(tmp_path, plan(outside, egress, child=child, configuration=configuration))
    address = "module.net.aws_security_group.this[0]"
    assert found(listing) == {address: ("open_completely", ["0.0.0.0/0", "8.8.8.0/24"])}


def test_instances_of_for_each_have_their_own_rules(tmp_path: Path) -> None:
    groups = [group(f'aws_security_group.web["{key}"]', unknown={"ingress": True}) | {"index": key} for key in "ab"]
    rules = [
        resource(
            f'aws_security_group_rule.ssh["{key}"]', rule([cidr], type="ingress"), {"security_group_id": True}, key
        )
        for key, cidr in (("a", "0.0.0.0/0"), ("b", "10.0.0.0/8"))
    ]
    references = ["aws_security_group.web", "each.key"]
    configuration = {"resources": [config_of("aws_security_group_rule.ssh", security_group_id=references)]}
    listing = judged(tmp_path, plan(*groups, *rules, configuration=configuration))
    assert found(listing) == {'aws_security_group.web["a"]': ("open_completely", ["0.0.0.0/0"])}


HALVES = (("a", "0.0.0.0/1"), ("b", "128.0.0.0/1"))


def instances_of_modules(made: Any, name: str, children: dict[str, Any]) -> Any:
    """A plan with what each instance of a module makes."""
    made["planned_values"]["root_module"]["child_modules"] = [
        {"address": f'module.{name}["{key}"]', "resources": [child]} for key, child in children.items()
    ]
    made["resource_changes"] += [
        {"address": child["address"], "change": {"actions": ["create"], "after_unknown": child.pop("unknown")}}
        for child in children.values()
    ]
    return made


@pytest.mark.parametrize(
    ("key", "address"),
    [
        pytest.param("each.key", 'aws_security_group.web["a"]', id="its own key"),
        pytest.param("each.value.group", 'aws_security_group_rule.ssh["a"]', id="a key that the plan does not show"),
        pytest.param("var.group", 'aws_security_group_rule.ssh["a"]', id="the same key for all"),
    ],
)
def test_a_group_is_found_by_the_own_key_alone(tmp_path: Path, key: str, address: str) -> None:
    """As Terraform 1.15 writes `web[each.key].id` and `web[each.value.group].id`."""
    groups = [resource(f'aws_security_group.web["{each}"]', {}, {"id": True}, each) for each in ("a", "b")]
    ssh = rule(type="ingress")
    rules = [resource('aws_security_group_rule.ssh["a"]', ssh, {"security_group_id": True}, "a")]
    named = ["aws_security_group.web", key, *(["each.value"] if key.startswith("each.value") else [])]
    configuration = {"resources": [config_of("aws_security_group_rule.ssh", security_group_id=named)]}
    assert list(found(judged(tmp_path, plan(*groups, *rules, configuration=configuration)))) == [address]


@pytest.mark.parametrize(
    ("key", "address"),
    [
        pytest.param("each.key", 'aws_security_group.web["a"]', id="its own key"),
        pytest.param("each.value.group", 'module.net["a"].aws_security_group_rule.ssh', id="another key"),
    ],
)
def test_a_call_names_a_group_by_its_own_key_alone(tmp_path: Path, key: str, address: str) -> None:
    groups = [resource(f'aws_security_group.web["{each}"]', {}, {"id": True}, each) for each in ("a", "b")]
    ssh = resource('module.net["a"].aws_security_group_rule.ssh', rule(type="ingress"), {"security_group_id": True})
    module = {"resources": [config_of("aws_security_group_rule.ssh", security_group_id=["var.group"])]}
    call = {"expressions": {"group": {"references": ["aws_security_group.web", key]}}, "module": module}
    document = plan(*groups, ssh, configuration={"module_calls": {"net": call}})
    assert list(found(judged(tmp_path, document))) == [address]


def test_instances_of_a_module_make_rules_of_the_group_with_their_key(tmp_path: Path) -> None:
    groups = [group(f'aws_security_group.web["{key}"]', unknown={"ingress": True}) | {"index": key} for key in "ab"]
    rules = {
        key: resource(
            f'module.rules["{key}"].aws_security_group_rule.ssh',
            rule([cidr], type="ingress"),
            {"security_group_id": True},
        )
        for key, cidr in HALVES
    }
    given = {"references": ["aws_security_group.web", "each.key"]}
    inside = {"resources": [config_of("aws_security_group_rule.ssh", security_group_id=["var.group"])]}
    configuration = {"module_calls": {"rules": {"expressions": {"group": given}, "module": inside}}}
    listing = judged(tmp_path, instances_of_modules(plan(*groups, configuration=configuration), "rules", rules))
    assert found(listing) == {f'aws_security_group.web["{key}"]': ("open_partly", [cidr]) for key, cidr in HALVES}


def test_a_rule_finds_the_group_of_the_module_s_instance_with_its_key(tmp_path: Path) -> None:
    """Terraform tells of `module.sg[each.key].id` no more than `module.sg` and `each.key`."""
    groups = {key: group(f'module.sg["{key}"].aws_security_group.this', unknown={"ingress": True}) for key in "äb"}
    rules = [
        resource(
            f'aws_security_group_rule.{name}["{key}"]', rule([cidr], type="ingress"), {"security_group_id": True}, key
        )
        for name, (key, cidr) in (("low", ("ä", "0.0.0.0/1")), ("high", ("ä", "128.0.0.0/1")), ("low", HALVES[1]))
    ]
    references = {"security_group_id": ["module.sg", "each.key"]}
    configuration = {
        "resources": [config_of(f"aws_security_group_rule.{name}", **references) for name in ("low", "high")]
    }
    listing = judged(tmp_path, instances_of_modules(plan(*rules, configuration=configuration), "sg", groups))
    assert found(listing) == {
        'module.sg["ä"].aws_security_group.this': ("open_completely", ["0.0.0.0/1", "128.0.0.0/1"]),
        'module.sg["b"].aws_security_group.this': ("open_partly", ["128.0.0.0/1"]),
    }


@pytest.mark.parametrize("key", ["a[", "a].b", '"['])
def test_a_key_of_a_module_may_have_brackets(tmp_path: Path, key: str) -> None:
    inner = group(f"module.sg[{json.dumps(key)}].module.inner.aws_security_group.this", unknown={"ingress": True})
    world = resource(
        f"aws_security_group_rule.low[{json.dumps(key)}]",
        rule(["0.0.0.0/0"], type="ingress"),
        {"security_group_id": True},
        key,
    )
    of_rule = config_of("aws_security_group_rule.low", security_group_id=["module.sg", "each.key"])
    listing = judged(tmp_path, plan(inner, world, configuration={"resources": [of_rule]}))
    assert found(listing) == {inner["address"]: ("open_completely", ["0.0.0.0/0"])}


@pytest.mark.parametrize("reference", ["module.sg", "aws_security_group.this", "local.group"])
def test_the_cost_of_finding_groups_grows_with_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    """Not with its square: a plan may have 10,000 rules, each of a group that the plan makes."""
    count = 100
    asked: list[str] = []
    module = PlannedResource.module.fget  # type: ignore[attr-defined]

    def counted(this: PlannedResource) -> str:
        asked.append(this.address)
        found: str = module(this)
        return found

    monkeypatch.setattr(PlannedResource, "module", property(counted))
    name = "this" if reference.startswith("aws_") else 'module.sg["{}"].this'
    name = name.replace("this", "aws_security_group.this") + ('["{}"]' if reference.startswith("aws_") else "")
    groups = [group(name.format(key), unknown={"ingress": True}) for key in range(count)]
    rule_name = 'aws_security_group_rule.low["{}"]'
    if reference == "local.group":
        rule_name = 'module.sg["{}"].aws_security_group_rule.low'
    rules = [
        resource(rule_name.format(key), rule(type="ingress"), {"security_group_id": True}, str(key))
        for key in range(count)
    ]
    for key, each in enumerate(groups):
        each["index"] = str(key)
    configuration: Any = {
        "resources": [config_of("aws_security_group_rule.low", security_group_id=[reference, "each.key"])]
    }
    if reference == "local.group":
        configuration = {"module_calls": {"sg": {"module": configuration}}}
    assert len(found(judged(tmp_path, plan(*groups, *rules, configuration=configuration)))) == count
    assert len(asked) < 10 * count


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({}, 'module.sg["a"].module.in.aws_security_group.this'),
        pytest.param({"id": "sg-1"}, 'aws_security_group_rule.ssh["a"]', id="a reference to what is there is known"),
    ],
)
def test_the_only_group_below_a_module_s_instance_is_that_of_its_key(
    tmp_path: Path, values: dict[str, str], address: str
) -> None:
    """An output such as `{ for key, each in module.sg : key => each.id }` is no more than `module.sg` in a plan."""
    groups = {key: group(f'module.sg["{key}"].module.in.aws_security_group.this', **values) for key in "ab"}
    ssh = resource('aws_security_group_rule.ssh["a"]', rule(type="ingress"), {"security_group_id": True}, "a")
    references = {"security_group_id": ["module.sg", "each.key"]}
    configuration = {"resources": [config_of("aws_security_group_rule.ssh", **references)]}
    document = instances_of_modules(plan(ssh, configuration=configuration), "sg", groups)
    assert list(found(judged(tmp_path, document))) == [address]


@pytest.mark.parametrize(
    ("references", "address"),
    [
        pytest.param(["module.net"], "module.net.aws_security_group.this", id="a module as a whole"),
        pytest.param(
            ["module.net.default_group", "module.net"], "aws_security_group_rule.ssh", id="another output of the module"
        ),
        pytest.param(
            ['module.net["a"].vpc_id', 'module.net["a"]', "module.net"], "aws_security_group_rule.ssh", id="an instance"
        ),
        pytest.param(["module.other", "each.key"], "aws_security_group_rule.ssh", id="a module without a group"),
    ],
)
def test_the_only_group_of_a_module_counts_where_nothing_tells_the_output(
    tmp_path: Path, references: list[str], address: str
) -> None:
    ssh = resource("aws_security_group_rule.ssh", rule(type="ingress"), {"security_group_id": True})
    inside = group("module.net.aws_security_group.this", unknown={"ingress": True})
    configuration = {"resources": [config_of("aws_security_group_rule.ssh", security_group_id=references)]}
    listing = judged(tmp_path, plan(ssh, child=[inside], configuration=configuration))
    assert found(listing) == {address: ("open_completely", ["0.0.0.0/0"])}


def test_prefix_lists_of_the_plan_count_as_their_entries(tmp_path: Path) -> None:
    made = resource("aws_ec2_managed_prefix_list.office", {"entry": [{"cidr": "8.8.8.0/24"}]}, {"id": True})
    web = group(ingress=[rule([], prefix_list_ids=[])], unknown={"ingress": [{"prefix_list_ids": [True]}]})
    references = ["aws_ec2_managed_prefix_list.office.id", "aws_ec2_managed_prefix_list.office"]
    expressions = {"ingress": {"references": references}}
    configuration = {"resources": [{"address": "aws_security_group.web", "expressions": expressions}]}
    listing = judged(tmp_path, plan(made, web, configuration=configuration))
    assert found(listing) == {"aws_security_group.web": ("open_partly", ["8.8.8.0/24"])}
    assert listing.issues[0].details.perms[0].prefix_list_id == "aws_ec2_managed_prefix_list.office"
    assert reasons(listing) == []


@pytest.mark.parametrize(("inline", "left"), [(False, ["8.8.8.0/24"]), (True, ["0.0.0.0/0", "8.8.8.0/24"])])
def test_an_entry_of_its_own_that_ends_is_not_judged_by_the_state_of_its_list(
    tmp_path: Path, inline: bool, left: list[str]
) -> None:
    made = resource(
        "aws_ec2_managed_prefix_list.office", {"id": "pl-1", "entry": [{"cidr": "0.0.0.0/0"}, {"cidr": "8.8.8.0/24"}]}
    )
    sets = {"resources": [config_of(made["address"], entry=["var.entries"])]} if inline else {}
    ended = plan(made, group(ingress=[rule([], prefix_list_ids=["pl-1"])]), configuration=sets)
    ended["resource_changes"].append(
        {
            "address": "aws_ec2_managed_prefix_list_entry.all",
            "type": "aws_ec2_managed_prefix_list_entry",
            "change": {"actions": ["delete"], "before": {"prefix_list_id": "pl-1", "cidr": "0.0.0.0/0"}},
        }
    )
    assert found(judged(tmp_path, ended))["aws_security_group.web"][1] == left


@pytest.mark.parametrize(
    ("ingress", "unknown", "reason"),
    [
        ([rule([])], {"ingress": [{"cidr_blocks": True}]}, "aws_security_group.web: cidr_blocks is known after apply"),
        ([rule()], {"ingress": [{"from_port": True}]}, "aws_security_group.web: from_port is known after apply"),
        ([rule([], prefix_list_ids=["pl-1"])], {}, "aws_security_group.web: prefix list pl-1: it is not defined here, "
         "and AWS is not asked"),
        ([], {"ingress": True}, "aws_security_group.web: its ingress is known after apply"),
        ([rule(["nonsense"])], {}, "aws_security_group.web: a tcp rule with source 'nonsense'"),
    ],
    ids=["source", "port", "prefix-list", "whole-ingress", "no-cidr"],
)  # fmt: skip
def test_what_is_not_known_yet_is_named(tmp_path: Path, ingress: Any, unknown: Any, reason: str) -> None:
    expressions = {"ingress": {"references": ["var.rules"]}}
    configuration = {"resources": [{"address": "aws_security_group.web", "expressions": expressions}]}
    listing = judged(tmp_path, plan(group(ingress=ingress, unknown=unknown), configuration=configuration))
    assert found(listing) == {}
    assert reasons(listing) == [reason]


@pytest.mark.parametrize(
    ("ingress", "unknown"),
    [
        ([rule([], port=443)], {"ingress": [{"cidr_blocks": True}]}),
        ([rule(["10.0.0.0/8"])], {"ingress": [{"from_port": True}]}),
        ([rule([])], {"ingress": [{"security_groups": True}], "id": True, "vpc_id": True}),
        ([], {"ingress": True}),
    ],
    ids=["port-not-restricted", "private-source", "ids-and-groups", "ingress-not-set"],
)
def test_what_cannot_matter_is_not_named(tmp_path: Path, ingress: Any, unknown: Any) -> None:
    listing = judged(tmp_path, plan(group(ingress=ingress, unknown=unknown)))
    assert (found(listing), reasons(listing)) == ({}, [])


def test_unchanged_resources_count(tmp_path: Path) -> None:
    document: dict[str, Any] = plan(group(ingress=[rule()]))
    document["resource_changes"] = []
    assert list(found(judged(tmp_path, document))) == ["aws_security_group.web"]


def stated(*resources: Any) -> Any:
    """The state before a plan."""
    return {"values": {"root_module": {"resources": list(resources)}}}


def test_what_a_plan_does_not_touch_is_judged_by_the_state(tmp_path: Path) -> None:
    """Outside of `-target` a plan has neither a change nor planned values; a refresh-only plan has none of anything."""
    half = {"security_group_id": "sg-1", "ip_protocol": "tcp", "from_port": 22, "to_port": 22}
    there = resource("aws_vpc_security_group_ingress_rule.low", {**half, "cidr_ipv4": "0.0.0.0/1"})
    made = resource("aws_vpc_security_group_ingress_rule.high", {**half, "cidr_ipv4": "128.0.0.0/1"})
    document = plan(group(id="sg-1", ingress=[]), made)
    document["prior_state"] = stated(group(id="sg-1", ingress=[]), there, group("aws_security_group.db", [rule()]))
    assert found(judged(tmp_path, document)) == {
        "aws_security_group.db": ("open_completely", ["0.0.0.0/0"]),
        "aws_security_group.web": ("open_completely", ["0.0.0.0/1", "128.0.0.0/1"]),
    }
    refresh_only = {"format_version": "1.2", "planned_values": {"root_module": {}}}
    refresh_only["prior_state"] = stated(group(ingress=[rule()]))
    assert list(found(judged(tmp_path, refresh_only))) == ["aws_security_group.web"]


@pytest.mark.parametrize(
    ("actions", "left"),
    [
        pytest.param(["delete"], [], id="deleted"),
        pytest.param(["delete", "create"], [], id="replaced"),
        pytest.param(["forget"], ["aws_security_group.web"], id="forgotten"),
        pytest.param(["create", "forget"], ["aws_security_group.web (forgotten)"], id="forgotten and made anew"),
    ],
)
def test_what_terraform_forgets_stays_as_it_is(tmp_path: Path, actions: list[str], left: list[str]) -> None:
    """By `removed { lifecycle { destroy = false } }`. Terraform 1.11 lists what it forgets without values."""
    before = group(ingress=[rule()], id="sg-1")
    document = plan(*([group(ingress=[rule(["10.0.0.0/8"])])] if "create" in actions else []))
    if actions == ["forget"]:
        without = {key: value for key, value in before.items() if key not in ("values", "unknown")}
        document["planned_values"]["root_module"]["resources"] = [without]
    document["prior_state"] = stated(before)
    document["resource_changes"] = [
        {
            "address": "aws_security_group.web",
            "type": "aws_security_group",
            "change": {"actions": actions, "before": before["values"], "after_unknown": {}},
        }
    ]
    assert list(found(judged(tmp_path, document))) == left


@pytest.mark.parametrize(
    ("actions", "vpc_actions", "left"),
    [
        pytest.param(["delete"], ["no-op"], ["aws_default_security_group.main"], id="given up"),
        pytest.param(["delete"], ["delete"], [], id="with its VPC"),
        pytest.param(
            ["delete", "create"], ["no-op"], ["aws_default_security_group.main (forgotten)"], id="that of another VPC"
        ),
    ],
)
def test_a_default_group_stays_as_it_is_when_its_resource_is_deleted(
    tmp_path: Path, actions: list[str], vpc_actions: list[str], left: list[str]
) -> None:
    """Provider documentation, aws_default_security_group: its rules "will be left as they are"."""
    address = "aws_default_security_group.main"
    document = plan(*([group(address)] if "create" in actions else []))
    before = group(address, [rule()], id="sg-1", vpc_id="vpc-1")
    document["prior_state"] = stated(before)
    vpc = {"actions": vpc_actions, "before": {"id": "vpc-1"}}
    document["resource_changes"] = [
        {"address": address, "type": "aws_default_security_group", "change": {"actions": actions}},
        {"address": "aws_vpc.main", "type": "aws_vpc", "change": vpc},
    ]
    assert list(found(judged(tmp_path, document))) == left


@pytest.mark.parametrize(
    ("old", "new", "values", "actions"),
    [
        pytest.param(
            "aws_security_group.web", "module.net.aws_security_group.this", {"id": "sg-1"}, ["forget"], id="imported"
        ),
        pytest.param("aws_default_security_group.a", "aws_default_security_group.b", {}, ["delete"], id="adopted anew"),
    ],
)
def test_what_the_plan_has_at_another_address_is_judged_there(
    tmp_path: Path, old: str, new: str, values: Any, actions: list[str]
) -> None:
    """By `removed` and `import` in one plan; or a default group whose resource has another name now."""
    document = plan(group(new, [rule(["10.0.0.0/8"])], vpc_id="vpc-1", **values))
    before = group(old, [rule()], id="sg-1", vpc_id="vpc-1")
    document["prior_state"] = stated(before)
    document["resource_changes"] = [
        {"address": old, "type": old.partition(".")[0], "change": {"actions": actions, "before": before["values"]}}
    ]
    assert (found(judged(tmp_path, document)), reasons(judged(tmp_path, document))) == ({}, [])


def test_a_deposed_object_that_the_plan_leaves_is_judged(tmp_path: Path) -> None:
    """Outside of `-target`, and in a refresh-only plan: what a replacement that failed did not delete is still open."""
    old = {**group(ingress=[rule()], id="sg-1"), "deposed_key": "5f6a2b1c"}
    now = group(ingress=[], id="sg-2")
    document = {"format_version": "1.2", "planned_values": {"root_module": {}}, "prior_state": stated(now, old)}
    assert list(found(judged(tmp_path, document))) == ["aws_security_group.web (deposed 5f6a2b1c)"]
    gone = {"address": "aws_security_group.web", "deposed": "5f6a2b1c", "change": {"actions": ["delete"]}}
    assert found(judged(tmp_path, {**document, "resource_changes": [gone]})) == {}


@pytest.mark.parametrize(
    ("actions", "after", "left"),
    [
        pytest.param(["delete"], None, {}, id="deleted"),
        pytest.param(["update"], "10.0.0.0/8", {}, id="narrowed in place"),
        pytest.param(["delete", "create"], "10.0.0.0/8", {}, id="replaced"),
        pytest.param(["update"], "8.8.8.0/24", {"aws_security_group.web": ("open_partly", ["8.8.8.0/24"])}, id="less"),
        pytest.param(
            ["forget"], None, {"aws_security_group.web": ("open_completely", ["0.0.0.0/0"])}, id="left where it is"
        ),
    ],
)
def test_what_a_rule_of_its_own_leaves_is_not_judged_by_the_state_of_its_group(
    tmp_path: Path, actions: list[str], after: str | None, left: Any
) -> None:
    """A group whose configuration sets no `ingress` has in a plan the rules that the state has of it, all of them."""
    opened = {"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "security_group_id": "sg-1"}
    address = "aws_vpc_security_group_ingress_rule.ssh"
    rules = [resource(address, {**opened, "cidr_ipv4": after})] if after else []
    fixed = plan(group(ingress=[rule(), rule(port=443)], id="sg-1"), *rules)
    fixed["resource_changes"] = [
        {
            "address": address,
            "type": "aws_vpc_security_group_ingress_rule",
            "change": {"actions": actions, "before": {**opened, "cidr_ipv4": "0.0.0.0/0"}, "after_unknown": {}},
        }
    ]
    assert found(judged(tmp_path, fixed)) == left
    configuration = {"resources": [config_of("aws_security_group.web", ingress=["var.rules"])]}
    set_here = found(judged(tmp_path, {**fixed, "configuration": {"root_module": configuration}}))
    assert set_here["aws_security_group.web"][0] == "open_completely", "the group itself has it, too"


@pytest.mark.parametrize(("after", "left"), [("10.0.0.0/8", []), ("0.0.0.0/0", ["0.0.0.0/0"])])
@pytest.mark.parametrize("ingress", [[], [rule()]])
def test_a_rule_that_moves_to_a_resource_of_another_type_is_judged_there(
    tmp_path: Path, ingress: list[Any], after: str, left: list[str]
) -> None:
    """Terraform forgets aws_security_group_rule, imports the same rule, and narrows it in the same plan."""
    old, new = "aws_security_group_rule.ssh", "aws_vpc_security_group_ingress_rule.ssh"
    forgotten = resource(old, rule(id="sgrule-1", type="ingress", security_group_id="sg-1"))
    imported = {"ip_protocol": "tcp", "from_port": 22, "to_port": 22, "security_group_id": "sg-1", "id": "sgr-1"}
    document = plan(group(ingress=ingress, id="sg-1"), resource(new, {**imported, "cidr_ipv4": after}))
    document["prior_state"] = stated(forgotten)
    document["resource_changes"] = [
        {"address": old, "type": old.partition(".")[0], "change": {"actions": ["forget"], "before": {}}},
        {
            "address": new,
            "type": new.partition(".")[0],
            "change": {"actions": ["update"], "before": {**imported, "cidr_ipv4": "0.0.0.0/0"}},
        },
    ]
    listing = judged(tmp_path, document)
    assert [perm.cidr for issue in listing.issues for perm in issue.details.perms] == left
    assert reasons(listing) == []


@pytest.mark.parametrize(("name", "unknown"), [("com.amazonaws.eu-west-1.s3", 0), ("office", 1)])
def test_a_list_of_an_aws_service_does_not_count(tmp_path: Path, name: str, unknown: int) -> None:
    web = group(ingress=[rule([], prefix_list_ids=["pl-63a5400a"])])
    listed = resource("data.aws_prefix_list.s3", {"id": "pl-63a5400a", "name": name, "cidr_blocks": ["52.218.0.0/17"]})
    document = {**plan(web), "prior_state": stated({**listed, "mode": "data"})}
    listing = judged(tmp_path, document)
    assert (found(listing), len(reasons(listing))) == ({}, unknown)


def test_a_group_that_is_replaced_and_sets_no_ingress_is_not_unknown(tmp_path: Path) -> None:
    replaced = plan(group(), configuration={"resources": [config_of("aws_security_group.web")]})
    del replaced["planned_values"]["root_module"]["resources"][0]["values"]["ingress"]
    replaced["resource_changes"][0]["change"] = {
        "actions": ["delete", "create"],
        "before": {"id": "sg-1", "ingress": [rule()]},
        "after_unknown": {"id": True, "ingress": True},
    }
    listing = judged(tmp_path, replaced)
    assert (found(listing), reasons(listing)) == ({}, [])


@pytest.mark.parametrize("before", [[], [rule(["10.0.0.0/8"])]])
def test_an_ingress_that_is_unknown_in_a_group_that_stays_is_set(tmp_path: Path, before: list[Any]) -> None:
    """By a `dynamic` block for each of something unknown: what nothing sets stays as the state has it."""
    changed = plan(group(id="sg-1"), configuration={"resources": [config_of("aws_security_group.web")]})
    del changed["planned_values"]["root_module"]["resources"][0]["values"]["ingress"]
    changed["resource_changes"][0]["change"] = {
        "actions": ["update"],
        "before": {"id": "sg-1", "ingress": before},
        "after_unknown": {"ingress": True},
    }
    assert reasons(judged(tmp_path, changed)) == ["aws_security_group.web: its ingress is known after apply"]


def test_a_rule_that_moves_into_a_dynamic_block_of_its_group_stays_open(tmp_path: Path) -> None:
    """A plan's configuration does not show `dynamic` blocks: that the ingress changes shows that something sets it."""
    ended = {"type": "ingress", "security_group_id": "sg-1", **rule()}
    moved = plan(group(ingress=[rule()], id="sg-1"), configuration={"resources": [config_of("aws_security_group.web")]})
    moved["resource_changes"] = [
        {
            "address": "aws_security_group.web",
            "type": "aws_security_group",
            "change": {"actions": ["update"], "before": {"id": "sg-1", "ingress": []}, "after_unknown": {}},
        },
        {
            "address": "aws_security_group_rule.ssh",
            "type": "aws_security_group_rule",
            "change": {"actions": ["delete"], "before": ended, "after_unknown": {}},
        },
    ]
    assert found(judged(tmp_path, moved)) == {"aws_security_group.web": ("open_completely", ["0.0.0.0/0"])}


@pytest.mark.parametrize(
    ("other", "is_unknown"),
    [
        ("terraform_data.made.id", True),
        ("module.elsewhere.list_id", True),
        ("local.list_id", True),
        ("var.list_id", False),
        ("each.key", False),
    ],
)
def test_a_list_that_is_not_known_beside_one_that_is_is_named(tmp_path: Path, other: str, *, is_unknown: bool) -> None:
    """The provider marks all of `prefix_list_ids` as unknown, whichever of them are."""
    known = resource("aws_ec2_managed_prefix_list.net", {"entry": [{"cidr": "10.0.0.0/8"}]})
    unknown = {"security_group_id": True, "prefix_list_ids": True}
    opened = resource("aws_security_group_rule.ssh", {"type": "ingress", **rule(())}, unknown)
    lists = ["aws_ec2_managed_prefix_list.net.id", "aws_ec2_managed_prefix_list.net", other]
    web = ["aws_security_group.web.id", "aws_security_group.web"]
    configured = config_of("aws_security_group_rule.ssh", prefix_list_ids=lists, security_group_id=web)
    listing = judged(tmp_path, plan(group(), known, opened, configuration={"resources": [configured]}))
    reason = "aws_security_group_rule.ssh: prefix_list_ids is known after apply"
    assert reasons(listing) == ([reason] if is_unknown else [])


def test_a_list_that_is_named_by_its_key_hides_no_other_one_of_its_resource(tmp_path: Path) -> None:
    """Of `[l["office"].id, l[each.key].id]` Terraform writes `l` twice: after the first, and for the second."""
    name = "aws_ec2_managed_prefix_list.l"
    lists = [
        resource(f'{name}["{key}"]', {"entry": [{"cidr": cidr}]}, {"id": True}, key)
        for key, cidr in (("office", "10.0.0.0/8"), ("all", "0.0.0.0/0"))
    ]
    unknown = {"security_group_id": True, "prefix_list_ids": True}
    opened = resource('aws_security_group_rule.ssh["all"]', {"type": "ingress", **rule(())}, unknown, "all")
    references = [f'{name}["office"].id', f'{name}["office"]', name, name, "each.key"]
    configured = config_of("aws_security_group_rule.ssh", prefix_list_ids=references)
    listing = judged(tmp_path, plan(*lists, opened, configuration={"resources": [configured]}))
    assert found(listing) == {'aws_security_group_rule.ssh["all"]': ("open_completely", ["0.0.0.0/0"])}


@pytest.mark.parametrize("other", ["module.elsewhere.ids", "module.elsewhere.ids[0]"])
def test_a_list_that_is_not_known_beside_one_that_is_is_named_in_a_block(tmp_path: Path, other: str) -> None:
    known = resource("aws_ec2_managed_prefix_list.net", {"entry": [{"cidr": "10.0.0.0/8"}]})
    web = group(ingress=[rule(())], unknown={"ingress": [{"prefix_list_ids": True}]})
    lists = ["aws_ec2_managed_prefix_list.net.id", "aws_ec2_managed_prefix_list.net", other, "module.elsewhere"]
    configured = config_of("aws_security_group.web", ingress=lists)
    listing = judged(tmp_path, plan(web, known, configuration={"resources": [configured]}))
    assert reasons(listing) == ["aws_security_group.web: prefix_list_ids is known after apply"]


def test_an_entry_of_which_the_list_is_not_known_makes_no_list_harmless(tmp_path: Path) -> None:
    lists = [resource(f"aws_ec2_managed_prefix_list.{name}", {"entry": []}, {"id": True}) for name in ("net", "other")]
    entry = resource("aws_ec2_managed_prefix_list_entry.all", {"cidr": "0.0.0.0/0"}, {"prefix_list_id": True})
    opened = resource("aws_security_group_rule.ssh", {"type": "ingress", **rule(())}, {"prefix_list_ids": True})
    configured = [
        config_of("aws_ec2_managed_prefix_list_entry.all", prefix_list_id=["local.list"]),
        config_of("aws_security_group_rule.ssh", prefix_list_ids=["aws_ec2_managed_prefix_list.net.id"]),
    ]
    listing = judged(tmp_path, plan(*lists, entry, opened, configuration={"resources": configured}))
    assert reasons(listing) == [
        "aws_security_group_rule.ssh: prefix list aws_ec2_managed_prefix_list.net: its entries are not known yet"
    ]


def test_a_local_of_a_module_is_the_only_group_that_it_makes(tmp_path: Path) -> None:
    """As in terraform-aws-modules/security-group; a plan does not show what a local is."""
    unknown = {"id": True, "security_group_id": True}
    halves = [
        resource(f"module.net.aws_security_group_rule.in[{n}]", {"type": "ingress", **rule([cidr])}, unknown, n)
        for n, cidr in enumerate(("0.0.0.0/1", "128.0.0.0/1"))
    ]
    made = group("module.net.aws_security_group.this[0]", unknown={"id": True})
    of_rule = config_of("aws_security_group_rule.in", security_group_id=["local.this_sg_id"])
    configuration = {"module_calls": {"net": {"module": {"resources": [of_rule]}}}}
    listing = judged(tmp_path, plan(group(), child=[made, *halves], configuration=configuration))
    expected = ("open_completely", ["0.0.0.0/1", "128.0.0.0/1"])
    assert found(listing) == {"module.net.aws_security_group.this[0]": expected}


def test_each_value_of_a_chained_for_each_is_the_group_with_the_same_key(tmp_path: Path) -> None:
    groups = [resource(f'aws_security_group.web["{key}"]', {"ingress": []}, {}, key) for key in "ab"]
    values = {"type": "ingress", **rule()}
    opened = resource('aws_security_group_rule.in["b"]', values, {"security_group_id": True}, "b")
    chained = {
        **config_of("aws_security_group_rule.in", security_group_id=["each.value.id", "each.value"]),
        "for_each_expression": {"references": ["aws_security_group.web"]},
    }
    listing = judged(tmp_path, plan(*groups, opened, configuration={"resources": [chained]}))
    assert list(found(listing)) == ['aws_security_group.web["b"]']


def test_a_rule_of_one_of_several_groups_is_judged_as_of_none_of_them(tmp_path: Path) -> None:
    """So that an exemption of one of them does not hide it."""
    opened = resource("aws_security_group_rule.in", {"type": "ingress", **rule()}, {"security_group_id": True})
    either = ["var.first", "aws_security_group.a.id", "aws_security_group.a", "aws_security_group.b.id"]
    configured = config_of("aws_security_group_rule.in", security_group_id=either)
    groups = [group("aws_security_group.a"), group("aws_security_group.b")]
    listing = judged(tmp_path, plan(*groups, opened, configuration={"resources": [configured]}))
    assert list(found(listing)) == ["aws_security_group_rule.in"]
    assert reasons(listing) == []
    opened["unknown"] = {"security_group_id": True}
    groups = [group("aws_security_group.a"), group("aws_security_group.b")]
    listing = judged(tmp_path, plan(*groups, opened, configuration={"resources": [configured]}), "aws_security_group.a")
    assert found(listing) == {}
    assert reasons(listing) == ["aws_security_group_rule.in: which group it is a rule of is known after apply"]


def test_a_rule_of_a_group_that_is_not_in_the_plan(tmp_path: Path) -> None:
    values = {"ip_protocol": "-1", "cidr_ipv6": "::/0", "security_group_id": "sg-1"}
    listing = judged(tmp_path, plan(resource("aws_vpc_security_group_ingress_rule.all", values)))
    assert found(listing) == {"sg-1": ("open_completely", ["::/0"])}


def test_other_documents_are_no_plan(tmp_path: Path) -> None:
    others: list[Any] = [{}, [], {"format_version": "1.0", "values": {"root_module": {}}}, "plan"]
    for document in others:
        with pytest.raises(WrongUsageError, match="no plan"):
            judged(tmp_path, document)
    with pytest.raises(WrongUsageError, match="cannot be read"):
        scan_plan_file(str(tmp_path / "absent"), Judge(None, None), (), NOW)  # type: ignore[arg-type]


def test_a_group_that_is_not_in_the_plan_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotThereError):
        judged(tmp_path, plan(group()), "aws_security_group.other")


def test_a_plan_from_a_shell_that_writes_utf_16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(json.dumps(plan(group(ingress=[rule()]))).encode("utf-16"))
    judge = Judge(Evaluator(PortSet.parse([22]), AddressSet()), default_context(date(2026, 11, 29)))
    assert len(scan_plan_file(str(path), judge, (), NOW).issues) == 1


@pytest.mark.parametrize("output_format", list(Format))
def test_half_a_sign_in_a_plan_or_in_its_file_s_name_ends_no_format(tmp_path: Path, output_format: Format) -> None:
    """JSON may escape half a sign, and hold its bytes; a path need not be UTF-8."""
    path = tmp_path / os.fsdecode(b"caf\xe9.json")
    document = plan(group(ingress=[rule()], name="\ud800", tags={"\ud800": "raw"}))
    path.write_bytes(json.dumps(document).encode().replace(b"raw", b"\xed\xa0\x80"))
    judge = Judge(Evaluator(PortSet.parse([22]), AddressSet()), default_context(date(2026, 11, 29)))
    listing = scan_plan_file(str(path), judge, (), NOW)
    assert listing.issues[0].details.name == "\ufffd"
    if output_format is not Format.TABLE:
        assert "".join(pieces(output_format, listing)).encode()


def test_a_planned_group_has_no_page_in_the_console(tmp_path: Path) -> None:
    listing = judged(tmp_path, plan(group(ingress=[{**rule(), "protocol": "\x1b[31m"}])))
    page = "".join(pieces(Format.HTML, listing))
    assert "console.aws.amazon.com" not in page
    assert "\x1b" not in page
