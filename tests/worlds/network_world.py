"""A small network in the emulated EC2: a VPC with a gateway, a public subnet, and a group that lets anyone in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.worlds.identification_world import World

ANYONE = "tcp/22 from 0.0.0.0/0"


@dataclass
class Network:
    """A VPC with a gateway, a public subnet, and an instance in it with a group that lets anyone in."""

    world: World
    ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ec2 = self.ec2
        vpc_id = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
        subnet_id = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
        group_id = ec2.create_security_group(GroupName="ssh", Description="for a test", VpcId=vpc_id)["GroupId"]
        tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["RouteTables"]
        acls = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["NetworkAcls"]
        self.ids = {
            "vpc": vpc_id,
            "igw": gateway,
            "subnet": subnet_id,
            "group": group_id,
            "table": tables[0]["RouteTableId"],
            "acl": acls[0]["NetworkAclId"],
        }
        ec2.create_route(RouteTableId=self.ids["table"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        self.world.allow(group_id, ANYONE)

    @property
    def ec2(self) -> Any:
        return self.world.ec2()

    def run(self, *, public: bool = True, tags: dict[str, str] | None = None) -> str:
        """Run an instance, and return its interface's id."""
        made = self.ec2.run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            NetworkInterfaces=[
                {
                    "DeviceIndex": 0,
                    "SubnetId": self.ids["subnet"],
                    "Groups": [self.ids["group"]],
                    "AssociatePublicIpAddress": public,
                }
            ],
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in (tags or {"Name": "web"}).items()],
                }
            ],
        )
        instance = made["Instances"][0]
        self.ids["instance"] = instance["InstanceId"]
        return str(instance["NetworkInterfaces"][0]["NetworkInterfaceId"])

    def reachability(self) -> Any:
        """Scan, and return what is stored."""
        self.world.describe()
        return self.world.items()[self.ids["group"]]["issue_details"]["reachability"]
