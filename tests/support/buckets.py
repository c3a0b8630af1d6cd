"""A bucket of moto's, an S3 with versions, whose users may do what their policies say and nothing else."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ibackup.copies.rights.s3_signing import S3Keys
from support.copy_servers import serving

_SET_UP = """
import json, sys, boto3
url, bucket, more, policies = sys.argv[1:]
how = dict(endpoint_url=url, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any")
s3, iam = boto3.client("s3", **how), boto3.client("iam", **how)
s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
for name in json.loads(more):
    s3.create_bucket(Bucket=name)
keys = {}
for name, rules in json.loads(policies).items():
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="rules", PolicyDocument=rules)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys[name] = [key["AccessKeyId"], key["SecretAccessKey"]]
print(json.dumps(keys))
"""
ALL_OF_IT = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
)


@dataclass(frozen=True)
class Bucket:
    """Where it is, and the keys of its users by their names."""

    url: str
    name: str
    keys: Mapping[str, S3Keys]

    def address(self, path: str) -> str:
        """As restic writes it."""
        return f"s3:{self.url}{self.name}/{path}"

    def key_file(self, user: str, folder: Path) -> Path:
        """A file with a user's keys for ibackup."""
        keys, path = self.keys[user], folder / f"{user}.env"
        path.write_text(f"AWS_ACCESS_KEY_ID={keys.ident}\nAWS_SECRET_ACCESS_KEY={keys.secret}\n")
        return path


@contextmanager
def bucket_with(
    require_tool: Callable[[str], str], name: str, policies: Mapping[str, str], *more: str
) -> Iterator[Bucket]:
    """A server with that bucket, whose versions stay, and more buckets without versions; and these users."""
    program = require_tool("moto_server")
    # The first calls are free of rules: those that set everything up.
    free = {"INITIAL_NO_AUTH_ACTION_COUNT": str(2 + len(more) + 3 * len(policies))}
    rules = {user: _as_moto_has_it(policy) for user, policy in policies.items()}
    with serving([program, "-H", "127.0.0.1", "-p", "0"], r"http://(127\.0\.0\.1:\d+)", free) as server:
        words = (server.address, name, json.dumps(more), json.dumps(rules))
        done = subprocess.run(
            [Path(program).resolve().with_name("python"), "-c", _SET_UP, *words],
            check=True,
            capture_output=True,
            text=True,
        )
        yield Bucket(
            server.address, name, {user: S3Keys(*each) for user, each in json.loads(done.stdout).items()}
        )


def _as_moto_has_it(policy: str) -> str:
    """moto asks for s3:HeadBucket where Amazon asks for s3:ListBucket."""
    rules = json.loads(policy)
    for each in rules["Statement"]:
        if "s3:ListBucket" in each["Action"]:
            each["Action"] = [*([each["Action"]] if isinstance(each["Action"], str) else each["Action"])]
            each["Action"].append("s3:HeadBucket")
    return json.dumps(rules)
