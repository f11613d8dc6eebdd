"""Groups that a controller or an AWS service made: who, and which annotation or option changes their rules. Pure.

The one place that knows such makers by the tags, names and descriptions that they give to groups. Tags and names are
untrusted. Sources: AWS Load Balancer Controller, "Annotations"; Kubernetes, "Service", loadBalancerSourceRanges; AWS
Elastic Beanstalk Developer Guide, "General options"; AWS Firewall Manager, "Security group policies"; AWS Directory
Service, "What gets created"; Amazon EMR Management Guide, "Working with Amazon EMR-managed security groups".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from library.documents.text import flattened
from library.issues.issue import Issue
from library.issues.schedule import MadeBy
from library.source.location import Confidence, Kind, Location, Returns


@dataclass(frozen=True, slots=True)
class Maker:
    """What made a group, and where its rules are changed. `advice`: the annotation or option to change."""

    location: Location
    advice: str
    returns: Returns


_RANGES = "spec.loadBalancerSourceRanges, or the annotation service.beta.kubernetes.io/load-balancer-source-ranges"
_EMR_NAMES = re.compile(r"ElasticMapReduce-(?:(?:Master|Slave)-Private|ServiceAccess|master|slave|Primary|Core)")
_DIRECTORY = re.compile(r"(d-[0-9a-f]{10})_(controllers|workspacesMembers)")
_EKS_NAME = re.compile(r"eks-cluster-sg-(.+)-\d+")
_CAPA = "sigs.k8s.io/cluster-api-provider-aws/cluster/"
_CLUSTER = "kubernetes.io/cluster/"

Tags = Mapping[str, str]


def maker_of(tags: Tags, name: str, description: str) -> Maker | None:
    """What made a group, by its tags, name and description; None: no service or controller that is known here."""
    for known in _KNOWN:
        if (found := known(tags, name, description)) is not None:
            return found
    return None


_MANAGER_LIMIT = 160  # characters of the name of what manages a group


def managed_by(tags: Tags, user_agent: str, name: str = "") -> str:
    """What manages a group, so that a change by hand will not last: `CloudFormation stack web`; empty: nothing known.

    By the group's tags and name, and the user agent of the call that opened it. Untrusted text.
    """
    if (maker := maker_of(tags, name, "")) is not None:
        return maker.location.where
    if stack := tags.get("aws:cloudformation:stack-name"):
        return f"CloudFormation stack {stack}"
    program = program_of(user_agent)
    return program if program in _MANAGERS else ""


def made_by(issue: Issue) -> MadeBy:
    """What manages an issue's group, as far as its tags, its name and who opened it tell."""
    tags, name = issue.details.tags, issue.details.name
    agent = issue.opened_by.user_agent if issue.opened_by else ""
    maker = maker_of(tags, name, "")
    is_controller = maker is not None and maker.returns is Returns.CONTROLLER
    return MadeBy(flattened(managed_by(tags, agent, name), _MANAGER_LIMIT), is_controller)


def other_maker_of(tags: Tags) -> Location | None:
    """The project of a tool whose code is not read; None: no tag names one."""
    project = tags.get("pulumi:project") or tags.get("Pulumi:Project") or ""
    if project:
        stack = tags.get("pulumi:stack") or tags.get("Pulumi:Stack") or ""
        where = f"{project}/{stack}" if stack else project
        return Location(Kind.OTHER, Confidence.LIKELY, where, (f"a tag names the Pulumi project {where}",))
    return None


def hints_of(tags: Tags) -> Iterator[str]:
    """What free tags say about the tool that made a group: no more than hints."""
    for key, value in sorted(tags.items()):
        if key.casefold() in ("managedby", "managed-by", "managed_by", "terraform", "provisioner", "iac"):
            yield f"its tag {key} says {value}"
        elif key.startswith(("git_org", "git_repo", "git_file", "git_commit", "yor_trace", "atmos_", "terragrunt")):
            yield f"its tag {key} is {value}"


_CONSOLE = "the AWS console"
_PROGRAMS = (
    ("cloudformation", "CloudFormation"),
    # Pulumi and Crossplane work through Terraform's providers, and may name Terraform as well.
    ("pulumi", "Pulumi"),
    ("crossplane", "Crossplane"),
    ("terraform", "Terraform"),
    ("ansible", "Ansible"),
    ("console.amazonaws.com", _CONSOLE),
    ("console.ec2.amazonaws.com", _CONSOLE),
    ("aws internal", "an AWS service"),
    ("mozilla/", "a browser"),
    ("aws-cli", "the AWS command line"),
    ("boto3", "boto3"),
)
"""What programs say of themselves in CloudTrail's `userAgent`, in small letters, and what people call them."""
_MANAGERS = {"CloudFormation", "Crossplane", "Pulumi", "Terraform"}
"""Those that make a group again as their code says."""


def program_of(user_agent: str) -> str:
    """What people call the program that a user agent names; empty: none that is known here."""
    agent = user_agent.casefold()
    return next((name for mark, name in _PROGRAMS if mark in agent), "")


def tool_hint(user_agent: str) -> Iterator[str]:
    """What the call that opened a group says about the tool behind it: no more than a hint."""
    if program := program_of(user_agent):
        by_hand = ", by hand" if program == _CONSOLE else ""
        yield f"the call that opened it came with {program}{by_hand}, as its user agent says"


def _made(
    service: str, evidence: str, advice: str, returns: Returns, confidence: Confidence = Confidence.EXACT
) -> Maker:
    return Maker(Location(Kind.SERVICE, confidence, service, (evidence,)), advice, returns)


def _beanstalk(tags: Tags, _name: str, _description: str) -> Maker | None:
    environment = tags.get("elasticbeanstalk:environment-name") or tags.get("elasticbeanstalk:environment-id")
    if not environment:
        return None
    advice = (
        "change the environment's options: SSHSourceRestriction of aws:autoscaling:launchconfiguration for port 22, "
        "the listeners and SecurityGroups of its load balancer for others"
    )
    where = f"Elastic Beanstalk environment {environment}"
    return _made(where, f"its tags name the Elastic Beanstalk environment {environment}", advice, Returns.UNKNOWN)


def _firewall_manager(tags: Tags, name: str, _description: str) -> Maker | None:
    if "FMManaged" not in tags and not name.startswith("FMManagedSecurityGroup"):
        return None
    advice = "change the primary group of the security group policy in the administrator account of Firewall Manager"
    return _made("AWS Firewall Manager", "its tag FMManaged or its name says so", advice, Returns.UNKNOWN)


def _load_balancer_controller(tags: Tags, _name: str, _description: str) -> Maker | None:
    cluster = tags.get("elbv2.k8s.aws/cluster")
    if cluster is None:
        return None
    ingress = tags.get("ingress.k8s.aws/stack") or ""
    service = tags.get("service.k8s.aws/stack") or ""
    if service and not ingress:
        advice = f"change {_RANGES}, of service {service}"
    else:
        owner = f" of ingress {ingress}" if ingress else ""
        advice = f"change the annotation alb.ingress.kubernetes.io/inbound-cidrs{owner}"
        advice += "" if ingress else f", or of a service {_RANGES}"
    where = f"AWS Load Balancer Controller, cluster {cluster}"
    return _made(where, f"its tag elbv2.k8s.aws/cluster names the cluster {cluster}", advice, Returns.CONTROLLER)


def _in_tree_provider(tags: Tags, name: str, description: str) -> Maker | None:
    if not name.startswith("k8s-elb-") and not description.startswith("Security group for Kubernetes ELB"):
        return None
    cluster = next((key.removeprefix(_CLUSTER) for key in tags if key.startswith(_CLUSTER)), "")
    named = f", cluster {cluster}" if cluster else ""
    found = re.search(r"\(([^()]+/[^()]+)\)", description)
    advice = f"change {_RANGES}, of service {found[1]}" if found else f"change {_RANGES}, of its service"
    where = f"Kubernetes cloud provider{named}"
    return _made(where, "its name is that of a Kubernetes load balancer", advice, Returns.CONTROLLER, Confidence.LIKELY)


def _eks(tags: Tags, name: str, description: str) -> Maker | None:
    cluster = tags.get("aws:eks:cluster-name", "")
    if not cluster and description.startswith("EKS created security group"):
        found = _EKS_NAME.fullmatch(name)
        cluster = found[1] if found else ""
    if not cluster:
        return None
    advice = (
        "Amazon EKS made the group for the cluster's control plane and nodes: change what adds rules to it there, and "
        "publicAccessCidrs of the cluster for its endpoint"
    )
    where = f"Amazon EKS cluster {cluster}"
    return _made(where, f"its tags or name are those of the EKS cluster {cluster}", advice, Returns.CONTROLLER)


def _controllers(tags: Tags, _name: str, _description: str) -> Maker | None:
    for key, value in sorted(tags.items()):
        if key.startswith(_CAPA):
            cluster = key.removeprefix(_CAPA)
            advice = "change spec.network.securityGroupOverrides or cniIngressRules of the AWSCluster"
            where = f"Cluster API provider, cluster {cluster}"
        elif key == "crossplane-name":
            advice = f"change the sources of the managed resource {value}"
            where = f"Crossplane, {value}"
        elif key == "services.k8s.aws/controller-version":
            advice = "change spec.ingressRules of the SecurityGroup resource in the cluster"
            where = f"AWS Controllers for Kubernetes, {value}"
        else:
            continue
        return _made(where, f"its tag {key} says so", advice, Returns.CONTROLLER)
    return None


def _directory_service(_tags: Tags, name: str, _description: str) -> Maker | None:
    found = _DIRECTORY.fullmatch(name)
    if not found:
        return None
    advice = "narrow the rules with care: the directory's controllers need them; AWS does not write them again"
    where = f"AWS Directory Service, directory {found[1]}"
    evidence = f"its name is that of a group of directory {found[1]}"
    return _made(where, evidence, advice, Returns.UNKNOWN, Confidence.LIKELY)


def _emr(_tags: Tags, name: str, description: str) -> Maker | None:
    # The tag for-use-with-amazon-emr-managed-policies says nothing: users give it to groups of their own.
    if not _EMR_NAMES.fullmatch(name) and "Elastic MapReduce" not in description:
        return None
    advice = (
        "use additional groups of your own, and block public access: "
        "aws emr put-block-public-access-configuration; EMR adds its rules when a cluster starts"
    )
    return _made("Amazon EMR", "its name or description is that of EMR", advice, Returns.UNKNOWN, Confidence.LIKELY)


def _sagemaker(tags: Tags, name: str, _description: str) -> Maker | None:
    if "ManagedByAmazonSageMakerResource" not in tags and not name.startswith("security-group-for-inbound-nfs-d-"):
        return None
    advice = "change the domain's settings in Amazon SageMaker"
    return _made("Amazon SageMaker", "its tag or name is that of a domain", advice, Returns.UNKNOWN, Confidence.LIKELY)


_KNOWN: tuple[Callable[[Tags, str, str], Maker | None], ...] = (
    _beanstalk,
    _firewall_manager,
    _load_balancer_controller,
    _in_tree_provider,
    _eks,
    _controllers,
    _directory_service,
    _emr,
    _sagemaker,
)
