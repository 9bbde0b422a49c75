"""Runs an S3 server on loopback that checks signatures. It ends when stdin is closed.

Its first line of output is its port, an access key and the secret of the key. The bucket `crawls` exists.
"""

import os
import sys

# The requests that create the user need no key; every later request is checked.
REQUESTS_WITHOUT_KEY = 5
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = str(REQUESTS_WITHOUT_KEY)

import logging

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
ALLOW_ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()


def client(service):
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )


iam = client("iam")
iam.create_user(UserName="crawl")
key = iam.create_access_key(UserName="crawl")["AccessKey"]
policy = iam.create_policy(PolicyName="all", PolicyDocument=ALLOW_ALL)["Policy"]
iam.attach_user_policy(UserName="crawl", PolicyArn=policy["Arn"])
client("s3").create_bucket(Bucket="crawls")
print(port, key["AccessKeyId"], key["SecretAccessKey"], flush=True)
sys.stdin.read()
