"""The job with the embedded store, reading from a bucket of its own on the real S3 server."""
import uuid

import boto3
import botocore.config
import harness


class Bucket(harness.Setup):
    def __init__(self, folder):
        aws = {key: harness.required(key) for key in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_S3_REGION")}
        super().__init__(folder, aws)
        self.bucket = "input-" + uuid.uuid4().hex[:12]
        self.s3 = boto3.client(
            "s3",
            endpoint_url=aws["AWS_ENDPOINT_URL"],
            region_name=aws["AWS_S3_REGION"],
            aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"max_attempts": 1},
            ),
        )
        self.s3.create_bucket(Bucket=self.bucket)
        self.keys = []

    def put(self, key, text):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())
        self.keys.append(key)

    def close(self):
        for key in self.keys:
            self.s3.delete_object(Bucket=self.bucket, Key=key)
